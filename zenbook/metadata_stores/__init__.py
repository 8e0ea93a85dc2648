"""The built-in metadata stores, found by entry point."""
