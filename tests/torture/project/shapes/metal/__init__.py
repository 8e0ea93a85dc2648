"""A package below a package."""

from ..base import Shape
from .heat import warm


class Iron(Shape):
    def heat(self) -> float:
        return warm(self.sides)
