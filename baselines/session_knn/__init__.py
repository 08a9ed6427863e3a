"""S-kNN and V-S-kNN and the search of sessions that they share."""
