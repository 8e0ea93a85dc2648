"""Where an artifact came from and what was made of it."""
