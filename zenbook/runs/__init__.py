"""Kept for exported pipelines, which run ``python -m zenbook.runs.worker``; `zenbook.runs` itself is a function."""
