"""The built-in artifact stores, found by entry point."""
