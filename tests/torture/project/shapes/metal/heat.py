"""Two levels up."""

import shapes.base
from ..units import INCH


def warm(x: float) -> float:
    return x / INCH + shapes.base.units.metres(1)
