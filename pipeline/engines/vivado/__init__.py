"""The engine `vivado`: a vendor's tools turn our RTL, or FINN's, into a bitfile."""
