"""What is done to a log before it is indexed: filters, sessions, splits."""
