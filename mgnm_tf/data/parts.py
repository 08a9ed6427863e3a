"""The names of the parts of a split."""

PARTS = ("train", "validation", "test")
"""The parts of a split; an event's part is stored as the index here."""
