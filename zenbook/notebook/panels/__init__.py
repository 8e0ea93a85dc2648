"""The live panels of a notebook, and what they tell the browser."""
