"""What every model and every domain has to do, whichever it is."""
