"""Brings packages to boards over SSH, and judges what the boards do."""
