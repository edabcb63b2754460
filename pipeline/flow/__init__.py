"""Orchestration: which tasks there are, which are up to date, and how one is run and shown."""
