"""Search for the items next to some interests."""
