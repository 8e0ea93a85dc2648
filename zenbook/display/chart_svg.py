"""Small charts as SVG that stand alone: system fonts, no script; a light card, which reads on white and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zenbook.display.run_graph_svg import FONTS, px
from zenbook.display.table import cut, escaped, number, one_line

WIDTH, HEIGHT = 760.0, 320.0
PALETTE = ("#3f83dd", "#c66a1e", "#2c9a56", "#b7479b", "#b97f00", "#5b6bd0", "#1f95a3", "#dc4a4a", "#858e99", "#7a5c3e")
INK, FAINT, GRID, CARD = "#1f2328", "#5d6672", "#e3e7ec", "#fcfdfe"
_LOW, _HIGH = (0x9E, 0xC5, 0xF0), (0x12, 0x3F, 0x86)  # ends of the scale of blues


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, linearly; equal ends put everything in the middle."""

    low: float
    high: float
    start: float  # pixel of `low`
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float, *, room: float = 0.0) -> Scale:
        """A scale over the finite values, with ``room`` (a share) at both ends."""
        known = [one for one in values if math.isfinite(one)] or [0.0]
        low, high = min(known), max(known)
        space = (high - low) * room
        return cls(low - space, high + space, start, end)

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values within the scale: steps of 1, 2 or 5 times a power of ten."""
        span = self.high - self.low
        if not span or not math.isfinite(span):
            return [self.low]
        rough = span / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def card(title: str, body: Sequence[str], height: float = HEIGHT) -> str:
    """The whole picture: a light ground, the title, and what is on it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH:g} {height:g}" font-family="{FONTS}" font-size="11">'
        f"<title>{escaped(one_line(title))}</title>"
        f'<rect x=".5" y=".5" width="{WIDTH - 1:g}" height="{height - 1:g}" rx="7" fill="{CARD}" stroke="#d5dae0"/>'
        f"{text(16, 22, title, size=13)}{''.join(body)}</svg>"
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, size: float = 11) -> str:
    """Words at a place; their halo keeps them readable where lines cross them."""
    return (
        f'<text x="{px(x)}" y="{px(y)}" text-anchor="{anchor}" fill="{fill}" font-size="{size:g}" '
        f'paint-order="stroke" stroke="{CARD}" stroke-width="3" stroke-linejoin="round">'
        f"{escaped(one_line(words))}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID) -> str:
    """A thin straight line."""
    return f'<path d="M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}" stroke="{stroke}" fill="none"/>'


def path(points: Sequence[tuple[float, float]], stroke: str, *, title: str = "", opacity: float = 0.85) -> str:
    """A line through points, with a title to hover over."""
    steps = "L".join(f"{px(x)} {px(y)}" for x, y in points)
    return (
        f'<path d="M{steps}" stroke="{stroke}" stroke-opacity="{opacity:g}" stroke-width="1.5" fill="none" '
        f'stroke-linejoin="round"><title>{escaped(one_line(title))}</title></path>'
    )


def dot(x: float, y: float, fill: str, *, title: str = "", radius: float = 4) -> str:
    """A point, with a title to hover over."""
    return (
        f'<circle cx="{px(x)}" cy="{px(y)}" r="{radius:g}" fill="{fill}" fill-opacity=".85">'
        f"<title>{escaped(one_line(title))}</title></circle>"
    )


def legend(labels: Sequence[str], colours: Sequence[str], y: float) -> str:
    """Labels with their colours in one row; those for which there is no room are counted."""
    parts, x = [], 16.0
    for place, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        shown = cut(one_line(label), 24)
        needed = 24 + 7.2 * len(shown)
        if x + needed > WIDTH - 150:
            parts.append(text(x, y, f"and {len(labels) - place} more", fill=FAINT))
            break
        parts.append(dot(x + 4, y - 4, colour) + text(x + 12, y, shown, fill=FAINT))
        x += needed
    return "".join(parts)


def shade(share: float) -> str:
    """A blue between light (0) and dark (1)."""
    share = min(1.0, max(0.0, share))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_LOW, _HIGH, strict=True))


def tick_label(value: float) -> str:
    """A number beside an axis."""
    return number(0.0 if abs(value) < 1e-12 else value)
