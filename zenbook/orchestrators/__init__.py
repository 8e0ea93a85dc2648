"""The built-in orchestrators, found by entry point."""
