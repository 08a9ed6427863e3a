"""Files of a log to checked columns of numbers."""
