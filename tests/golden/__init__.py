"""What the service answers byte for byte, kept from one version of its code to the next."""
