"""From an interaction log to batches: read, filter, split, save."""
