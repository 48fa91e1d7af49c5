"""Any PMS without code: what a TOML file describes of it, read, checked and carried out."""
