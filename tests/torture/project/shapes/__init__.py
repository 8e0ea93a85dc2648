"""A package that re-exports."""

from .base import Shape
from .metal import Iron

__all__ = ["Iron", "Shape"]
