"""Flavours of components, one module each, found by entry point."""
