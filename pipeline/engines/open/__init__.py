"""The engine that needs no vendor tool: our RTL, synthesised by Yosys."""
