"""Small charts as SVG that stand alone: system fonts, no script; a light card, which reads on white and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zenbook.display.markup import NOTHING, Html
from zenbook.display.svg import FONTS, px
from zenbook.display.table import cut, number, one_line

WIDTH, HEIGHT = 760.0, 320.0  # pixels, as all sizes below
PALETTE = ("#3f83dd", "#c66a1e", "#2c9a56", "#b7479b", "#b97f00", "#5b6bd0", "#1f95a3", "#dc4a4a", "#858e99", "#7a5c3e")
INK, FAINT, GRID, CARD = "#1f2328", "#5d6672", "#e3e7ec", "#fcfdfe"
_LOW, _HIGH = (0x9E, 0xC5, 0xF0), (0x12, 0x3F, 0x86)  # ends of the scale of blues
_TINY = 1e-9  # of a step: rounding errors do not move a tick off the end of an axis
_LEGEND_ROOM, _MAX_LABEL, _CHARACTER = 150, 24, 7.2  # pixels kept free, columns, pixels


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, linearly; equal ends put everything in the middle."""

    low: float
    high: float
    start: float  # pixel of `low`
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float, *, room: float = 0.0) -> Scale:
        """A scale over the finite values.

        Args:
            values: What will be drawn.
            start: The pixel of the least value.
            end: The pixel of the greatest.
            room: The share of the values' span that is left free at both ends.

        Returns:
            The scale; from 0 to 0 where no value is finite.
        """
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        space = (high - low) * room
        return cls(low - space, high + space, start, end)

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values within the scale: steps of 1, 2 or 5 times a power of ten.

        Args:
            most: About how many values.

        Returns:
            The values, in order.
        """
        span = self.high - self.low
        if not span or not math.isfinite(span):
            return [self.low]
        rough = span / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step - _TINY), math.floor(self.high / step + _TINY)
        return [multiple * step for multiple in range(first, last + 1)]


def card(title: str, body: Sequence[Html], height: float = HEIGHT) -> str:
    """The whole picture: a light ground, the title, and what is on it.

    Args:
        title: One line.
        body: Elements of the picture.
        height: The picture's height.

    Returns:
        SVG that stands alone.
    """
    return str(
        Html(
            '<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            'viewBox="0 0 {width:g} {height:g}" font-family="{fonts}" font-size="11"><title>{title}</title>'
            '<rect x=".5" y=".5" width="{inner_width:g}" height="{inner_height:g}" rx="7" fill="{card}" '
            'stroke="#d5dae0"/>{head}{body}</svg>'
        ).format(
            width=WIDTH,
            height=height,
            fonts=FONTS,
            title=one_line(title),
            inner_width=WIDTH - 1,
            inner_height=height - 1,
            card=CARD,
            head=text(16, 22, title, size=13),
            body=NOTHING.join(body),
        )
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, size: float = 11) -> Html:
    """Words at a place; their halo keeps them readable where lines cross them.

    Args:
        x: The place, from the left.
        y: The baseline, from the top.
        words: One line.
        anchor: ``start``, ``middle`` or ``end``: which part of the words is at the place.
        fill: The colour.
        size: The font size.

    Returns:
        An SVG element.
    """
    return Html(
        '<text x="{}" y="{}" text-anchor="{}" fill="{}" font-size="{:g}" '
        'paint-order="stroke" stroke="{}" stroke-width="3" stroke-linejoin="round">{}</text>'
    ).format(px(x), px(y), anchor, fill, size, CARD, one_line(words))


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID) -> Html:
    """A thin straight line.

    Args:
        x1: Where it begins, from the left.
        y1: From the top.
        x2: Where it ends, from the left.
        y2: From the top.
        stroke: The colour.

    Returns:
        An SVG element.
    """
    return Html('<path d="M{} {}L{} {}" stroke="{}" fill="none"/>').format(px(x1), px(y1), px(x2), px(y2), stroke)


def path(points: Sequence[tuple[float, float]], stroke: str, *, title: str = "", opacity: float = 0.85) -> Html:
    """A line through points.

    Args:
        points: Places, from the left and from the top.
        stroke: The colour.
        title: What the line says when the mouse is over it.
        opacity: From 0 to 1.

    Returns:
        An SVG element.
    """
    steps = "L".join(f"{px(x)} {px(y)}" for x, y in points)
    return Html(
        '<path d="M{}" stroke="{}" stroke-opacity="{:g}" stroke-width="1.5" fill="none" '
        'stroke-linejoin="round"><title>{}</title></path>'
    ).format(steps, stroke, opacity, one_line(title))


def dot(x: float, y: float, fill: str, *, title: str = "", radius: float = 4) -> Html:
    """A point.

    Args:
        x: Its middle, from the left.
        y: From the top.
        fill: The colour.
        title: What the point says when the mouse is over it.
        radius: Its radius.

    Returns:
        An SVG element.
    """
    return Html('<circle cx="{}" cy="{}" r="{:g}" fill="{}" fill-opacity=".85"><title>{}</title></circle>').format(
        px(x), px(y), radius, fill, one_line(title)
    )


def legend(labels: Sequence[str], colours: Sequence[str], y: float) -> Html:
    """Labels with their colours in one row; those that do not fit are counted.

    Args:
        labels: What is drawn.
        colours: The colour of each.
        y: The baseline, from the top.

    Returns:
        SVG elements.
    """
    parts, x = [], 16.0
    for place, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        short = cut(one_line(label), _MAX_LABEL)
        needed = 24 + _CHARACTER * len(short)
        if x + needed > WIDTH - _LEGEND_ROOM:
            parts.append(text(x, y, f"and {len(labels) - place} more", fill=FAINT))
            break
        parts += [dot(x + 4, y - 4, colour), text(x + 12, y, short, fill=FAINT)]
        x += needed
    return NOTHING.join(parts)


def shade(share: float) -> str:
    """A blue between light and dark.

    Args:
        share: From 0 (light) to 1 (dark).

    Returns:
        A colour such as ``#3f83dd``.
    """
    share = min(1.0, max(0.0, share))
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in zip(_LOW, _HIGH, strict=True))


def tick_label(value: float) -> str:
    """A number beside an axis.

    Args:
        value: The value; what is 0 but for rounding errors is 0.

    Returns:
        Short text.
    """
    return number(0.0 if abs(value) < 1e-12 else value)
