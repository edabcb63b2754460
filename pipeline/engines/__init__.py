"""Engines: how folded hardware becomes resource numbers, and later a bitfile."""
