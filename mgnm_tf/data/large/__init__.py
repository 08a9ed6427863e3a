"""Preparing a log that does not fit into memory, by DuckDB."""
