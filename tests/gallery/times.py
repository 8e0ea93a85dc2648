"""Values of gallery scripts that no two runs share, by script, with the reason."""

TIMES_OF: dict[str, dict[str, str]] = {}
