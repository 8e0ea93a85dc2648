"""Comparing runs: what differs in parameters, metrics, steps, environment, code and outputs; and pictures of many runs.

`compare.py` holds the verb; the other modules each compare one kind of thing, and draw nothing.
"""
