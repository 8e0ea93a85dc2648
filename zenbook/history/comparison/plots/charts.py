"""The static pictures of many runs, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zenbook.display.chart_svg import (
    FAINT,
    HEIGHT,
    INK,
    PALETTE,
    WIDTH,
    Scale,
    card,
    dot,
    legend,
    line,
    path,
    shade,
    text,
    tick_label,
)
from zenbook.display.markup import Html
from zenbook.display.table import cell_text, cut
from zenbook.history.comparison.run_data import RunData

_TOP, _BOTTOM, _LEFT, _RIGHT = 44.0, 52.0, 62.0, 24.0  # margins, in pixels
_SIDE = 70.0  # margins left and right of parallel coordinates
_AXIS_COLOUR = "#8c96a1"
_CHARACTER = 7  # pixels
_MAX_LABELS, _MAX_LABEL = 12, 14  # values of a parameter that are not numbers, each with its label; columns of one
_MAX_POWERS = 8  # labels of a logarithmic scale
_LOG_RATIO = 30.0  # values whose greatest is this many times their least are drawn by their logarithms
_TINY = 1e-9  # rounding errors do not move a power of ten off the end of an axis
_MAX_NUMBER = 1e300  # of a larger integer, a float cannot be made


@dataclass(frozen=True, slots=True)
class Axis:
    """One quantity over the runs: at which place each run is, and the labels of places that are not numbers."""

    name: str
    places: Mapping[str, float]  # by run id; runs without a value, or with none that is finite, are left out
    values: Mapping[str, Any]
    labels: tuple[str, ...] = ()  # of the places 0, 1, 2, …
    log: bool = False

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Axis:
        """The axis of a parameter or metric.

        Args:
            name: Its name.
            values: Its values by run id.

        Returns:
            An axis on which numbers are places themselves (or their logarithms); of other values, the sorted labels are
            at 0, 1, 2, …
        """
        numbers = {run: float(value) for run, value in values.items() if _is_number(value)}
        if len(numbers) == len(values):
            finite = {run: value for run, value in numbers.items() if math.isfinite(value)}
            log = is_wide(list(finite.values()))
            places = {run: math.log10(value) for run, value in finite.items()} if log else finite
            return cls(name, places, values, (), log)
        texts = {run: cell_text(value) or "None" for run, value in values.items()}
        labels = sorted(set(texts.values()))
        place_of = {label: float(place) for place, label in enumerate(labels)}
        return cls(name, {run: place_of[text] for run, text in texts.items()}, values, tuple(labels))

    def scale(self, start: float, end: float, *, room: float = 0.0) -> Scale:
        """From places to pixels.

        Args:
            start: The pixel of the least place.
            end: The pixel of the greatest.
            room: The share of the span that is left free at both ends.

        Returns:
            The scale.
        """
        return Scale.of(list(self.places.values()), start, end, room=room)

    def ticks(self, scale: Scale, most: int = 5) -> list[tuple[float, str]]:
        """Places to mark.

        Args:
            scale: The axis's scale.
            most: About how many places of a scale of numbers.

        Returns:
            Places with their labels.
        """
        if self.labels:
            step = math.ceil(len(self.labels) / _MAX_LABELS)
            return [(float(at), cut(self.labels[at], _MAX_LABEL)) for at in range(0, len(self.labels), step)]
        return _marks(scale, most, log=self.log)


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric's values in one run, by step or seconds."""

    label: str
    points: tuple[tuple[float, float], ...]


def parallel(title: str, runs: Sequence[RunData], axes: Sequence[Axis], shades: Mapping[str, float]) -> str:
    """A line for each run through its value on each axis; where it has none the line is interrupted.

    Args:
        title: The picture's title.
        runs: The runs.
        axes: Two axes or more, from left to right.
        shades: How dark each run's line is, from 0 to 1 by run id; runs that are missing are grey.

    Returns:
        SVG that stands alone.
    """
    left, right = _SIDE, WIDTH - _SIDE
    distance = (right - left) / (len(axes) - 1)
    columns = [left + (right - left) * number / (len(axes) - 1) for number in range(len(axes))]
    top, bottom = _TOP + 24, HEIGHT - _BOTTOM
    scales = [axis.scale(bottom, top) for axis in axes]
    room = max(6, int(distance / _CHARACTER))
    body: list[Html] = []
    for run in sorted(runs, key=lambda run: shades.get(run.id, -1.0)):  # the best on top
        colour = shade(shades[run.id]) if run.id in shades else FAINT
        title_of_run = _run_title(run, axes)
        pieces = _pieces(run.id, axes, scales, columns)
        body += (path(piece, colour, title=title_of_run, opacity=0.75) for piece in pieces)
    for x, axis, scale in zip(columns, axes, scales, strict=True):
        body.append(line(x, top, x, bottom, _AXIS_COLOUR))
        body.append(text(x, bottom + 20, cut(axis.name, room), anchor="middle"))
        for place, label in axis.ticks(scale):
            body.append(line(x - 3, scale(place), x, scale(place), _AXIS_COLOUR))
            body.append(text(x - 6, scale(place) + 4, label, anchor="end", fill=FAINT))
    return card(title, body)


def scatter(title: str, runs: Sequence[RunData], x: Axis, y: Axis) -> str:
    """A point for each run, in front of a quiet grid.

    Args:
        title: The picture's title.
        runs: The runs; all have a place on both axes.
        x: The axis from left to right.
        y: The axis from bottom to top.

    Returns:
        SVG that stands alone.
    """
    across, up = x.scale(_LEFT, WIDTH - _RIGHT, room=0.05), y.scale(HEIGHT - _BOTTOM, _TOP, room=0.08)
    body = _frame(x.ticks(across, 8), y.ticks(up), across, up)
    body.append(text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 14, x.name, anchor="middle"))
    body += (
        dot(across(x.places[run.id]), up(y.places[run.id]), PALETTE[0], title=_run_title(run, (x, y))) for run in runs
    )
    return card(title, body)


def curves(title: str, lines: Sequence[Curve], over: str) -> str:
    """A line for each curve, over a logarithmic scale where values span orders; a legend tells the first ones apart.

    Args:
        title: The picture's title.
        lines: The curves.
        over: What they are drawn over: ``step`` or ``time``.

    Returns:
        SVG that stands alone.
    """
    log = is_wide([y for curve in lines for _, y in curve.points])
    scaled = [[(x, math.log10(y) if log else y) for x, y in curve.points] for curve in lines]
    across = Scale.of([x for points in scaled for x, _ in points], _LEFT, WIDTH - _RIGHT)
    up = Scale.of([y for points in scaled for _, y in points], HEIGHT - _BOTTOM - 14, _TOP, room=0.05)
    colours = [PALETTE[number % len(PALETTE)] for number in range(len(lines))]
    body = _frame([(x, tick_label(x)) for x in across.ticks(8)], _marks(up, log=log), across, up)
    for curve, points, colour in zip(lines, scaled, colours, strict=True):
        pixels = [(across(x), up(y)) for x, y in points]
        is_line = len(pixels) > 1
        body.append(path(pixels, colour, title=curve.label) if is_line else dot(*pixels[0], colour, title=curve.label))
    body.append(text(WIDTH - _RIGHT, HEIGHT - 12, "seconds" if over == "time" else "step", anchor="end", fill=INK))
    body.append(legend([curve.label for curve in lines], colours, HEIGHT - 12))
    return card(title, body)


def is_wide(values: Sequence[float]) -> bool:
    """Whether values span so much that their logarithms say more.

    Args:
        values: Finite numbers.

    Returns:
        True for positive values of which the greatest is 30 times the least or more.
    """
    return bool(values) and min(values) > 0 and max(values) / min(values) >= _LOG_RATIO


def _marks(scale: Scale, most: int = 5, *, log: bool) -> list[tuple[float, str]]:
    """Places to mark on a scale of numbers, or of their logarithms, with their labels."""
    if not log:
        return [(value, tick_label(value)) for value in scale.ticks(most)]
    powers = range(math.ceil(scale.low - _TINY), math.floor(scale.high + _TINY) + 1)
    if len(powers) >= 2:
        step = math.ceil(len(powers) / _MAX_POWERS)
        return [(float(power), tick_label(10.0**power)) for power in powers[::step]]
    return [(power, tick_label(10.0**power)) for power in (scale.low, scale.high)]


def _frame(across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], x: Scale, y: Scale) -> list[Html]:
    bottom, top = max(y.start, y.end), min(y.start, y.end)
    body = []
    for value, label in up:
        body.append(line(x.start, y(value), x.end, y(value)))
        body.append(text(x.start - 6, y(value) + 4, label, anchor="end", fill=FAINT))
    for value, label in across:
        body.append(line(x(value), top, x(value), bottom))
        body.append(text(x(value), bottom + 15, label, anchor="middle", fill=FAINT))
    return body


def _pieces(
    run: str, axes: Sequence[Axis], scales: Sequence[Scale], columns: Sequence[float]
) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for axis, scale, x in zip(axes, scales, columns, strict=True):
        if run in axis.places:
            pieces[-1].append((x, scale(axis.places[run])))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if len(piece) > 1]


def _run_title(run: RunData, axes: Sequence[Axis]) -> str:
    values = (f"{axis.name} {cell_text(axis.values[run.id])}" for axis in axes if run.id in axis.values)
    return f"{run.id}: " + ", ".join(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER
