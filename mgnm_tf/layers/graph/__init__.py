"""The graph of a history and what flows on it."""
