"""Studies of single questions, with their evidence."""
