"""Run one step of a plan, and keep what it did apart from the rest of the process."""
