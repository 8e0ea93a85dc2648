"""Interfaces of the components, their flavours, the stack and the workspace."""
