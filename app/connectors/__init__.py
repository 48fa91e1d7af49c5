"""How each PMS is spoken to."""
