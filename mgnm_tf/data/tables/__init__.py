"""Tables of the data that a model holds."""
