"""Reached by a relative import."""

INCH = 0.0254


def metres(inches: float) -> float:
    return inches * INCH
