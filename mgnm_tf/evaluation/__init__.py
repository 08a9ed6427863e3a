"""Protocols, ranks, figures and paired tests."""
