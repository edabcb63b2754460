"""Checks that two forms of the same network are equal, and finds the first difference."""
