"""Finds the root cause in the logs of a vendor's tools, with the remedy."""
