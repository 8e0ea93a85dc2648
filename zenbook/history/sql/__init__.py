"""SQL over runs and artifacts."""
