"""Define pipelines, find them in files, and run them."""
