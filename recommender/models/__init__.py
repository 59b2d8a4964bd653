"""Models that score items for users, with one interface (`base`) and a registry of names."""
