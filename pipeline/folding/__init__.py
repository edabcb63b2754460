"""Folding: how many lanes each layer gets, chosen exactly under the board's budget."""
