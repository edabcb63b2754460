"""Orchestration: units and their tasks, what is up to date, how a stage is run and shown."""
