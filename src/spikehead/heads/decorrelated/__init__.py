"""Decorrelated columns: the head without conditions."""
