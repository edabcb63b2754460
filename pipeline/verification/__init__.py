"""Equality of two descriptions of the same network, down to the first element that differs."""
