"""What users declare: frozen Pydantic models of networks and boards, read from TOML."""
