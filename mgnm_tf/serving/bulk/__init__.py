"""Recommendations for all users of files, folders and frames."""
