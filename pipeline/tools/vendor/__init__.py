"""Vendor tools (Vivado, Vitis HLS): a plan of a run, where the tools are, and what runs it."""
