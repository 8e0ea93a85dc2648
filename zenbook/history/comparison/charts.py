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
from zenbook.display.table import cut, shown
from zenbook.history.comparison.run_data import RunData

_TOP, _BOTTOM, _LEFT, _RIGHT = 44.0, 52.0, 62.0, 24.0
_MOST_LABELS = 12  # values of a parameter that are no numbers, each with its label
_LOG = 30.0  # what has a greatest value of this many times its least is drawn by its logarithm


@dataclass(frozen=True, slots=True)
class Axis:
    """One quantity over the runs: at which place each run is, and what places that are no numbers are called."""

    name: str
    places: Mapping[str, float]  # by run id; runs without a value, or with none that is finite, are left out
    values: Mapping[str, Any]
    labels: tuple[str, ...] = ()  # of the places 0, 1, 2, …
    log: bool = False

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Axis:
        """The axis of a parameter or metric. Numbers are places themselves, else the values in order are."""
        numbers = {run: float(one) for run, one in values.items() if _is_number(one)}
        if len(numbers) == len(values):
            finite = {run: one for run, one in numbers.items() if math.isfinite(one)}
            log = is_wide(list(finite.values()))
            places = {run: math.log10(one) for run, one in finite.items()} if log else finite
            return cls(name, places, values, (), log)
        labels = sorted({shown(one) or "None" for one in values.values()})
        at = {label: float(place) for place, label in enumerate(labels)}
        return cls(name, {run: at[shown(one) or "None"] for run, one in values.items()}, values, tuple(labels))

    def scale(self, start: float, end: float, *, room: float = 0.0) -> Scale:
        """From places to pixels."""
        return Scale.of(list(self.places.values()), start, end, room=room)

    def ticks(self, scale: Scale, most: int = 5) -> list[tuple[float, str]]:
        """Places to mark, with their labels."""
        if self.labels:
            step = math.ceil(len(self.labels) / _MOST_LABELS)
            return [(float(at), cut(self.labels[at], 14)) for at in range(0, len(self.labels), step)]
        return _marks(scale, most, log=self.log)


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric's values in one run, by step or seconds."""

    label: str
    points: tuple[tuple[float, float], ...]


def parallel(title: str, runs: Sequence[RunData], axes: Sequence[Axis], shades: Mapping[str, float]) -> str:
    """A line for each run through its value on each axis; where it has none the line is interrupted."""
    left, right = 70.0, WIDTH - 70.0
    at = [left + (right - left) * place / (len(axes) - 1) for place in range(len(axes))]
    scales = [one.scale(HEIGHT - _BOTTOM, _TOP + 24) for one in axes]
    room = max(6, int((right - left) / (len(axes) - 1) / 7))
    body: list[str] = []
    for run in sorted(runs, key=lambda one: shades.get(one.id, -1.0)):  # the best on top
        colour = shade(shades[run.id]) if run.id in shades else FAINT
        told = _told(run, axes)
        body += (path(piece, colour, title=told, opacity=0.75) for piece in _pieces(run.id, axes, scales, at))
    for place, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        x = at[place]
        body.append(line(x, _TOP + 24, x, HEIGHT - _BOTTOM, "#8c96a1"))
        body.append(text(x, HEIGHT - _BOTTOM + 20, cut(axis.name, room), anchor="middle"))
        for value, label in axis.ticks(scale):
            body.append(line(x - 3, scale(value), x, scale(value), "#8c96a1"))
            body.append(text(x - 6, scale(value) + 4, label, anchor="end", fill=FAINT))
    return card(title, body)


def scatter(title: str, runs: Sequence[RunData], x: Axis, y: Axis) -> str:
    """A point for each run, in front of a quiet grid."""
    across, up = x.scale(_LEFT, WIDTH - _RIGHT, room=0.05), y.scale(HEIGHT - _BOTTOM, _TOP, room=0.08)
    body = _frame(x.ticks(across, 8), y.ticks(up), across, up)
    body.append(text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 14, x.name, anchor="middle"))
    body += (dot(across(x.places[run.id]), up(y.places[run.id]), PALETTE[0], title=_told(run, (x, y))) for run in runs)
    return card(title, body)


def curves(title: str, found: Sequence[Curve], over: str) -> str:
    """A line for each curve, over a logarithmic scale where values span orders; a legend tells the first ones apart."""
    log = is_wide([y for one in found for _, y in one.points])
    lines = [[(x, math.log10(y) if log else y) for x, y in one.points] for one in found]
    across = Scale.of([x for points in lines for x, _ in points], _LEFT, WIDTH - _RIGHT)
    up = Scale.of([y for points in lines for _, y in points], HEIGHT - _BOTTOM - 14, _TOP, room=0.05)
    colours = [PALETTE[place % len(PALETTE)] for place in range(len(found))]
    body = _frame([(one, tick_label(one)) for one in across.ticks(8)], _marks(up, log=log), across, up)
    for one, points, colour in zip(found, lines, colours, strict=True):
        pixels = [(across(x), up(y)) for x, y in points]
        drawn = path(pixels, colour, title=one.label) if len(pixels) > 1 else dot(*pixels[0], colour, title=one.label)
        body.append(drawn)
    body.append(text(WIDTH - _RIGHT, HEIGHT - 12, "seconds" if over == "time" else "step", anchor="end", fill=INK))
    body.append(legend([one.label for one in found], colours, HEIGHT - 12))
    return card(title, body)


def is_wide(values: Sequence[float]) -> bool:
    """Whether positive values span so much that their logarithms say more."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= _LOG


def _marks(scale: Scale, most: int = 5, *, log: bool) -> list[tuple[float, str]]:
    """Places to mark on a scale of numbers, or of their logarithms, with their labels."""
    if not log:
        return [(one, tick_label(one)) for one in scale.ticks(most)]
    powers = range(math.ceil(scale.low - 1e-9), math.floor(scale.high + 1e-9) + 1)
    if len(powers) >= 2:
        step = math.ceil(len(powers) / 8)
        return [(float(one), tick_label(10.0**one)) for one in powers[::step]]
    return [(one, tick_label(10.0**one)) for one in (scale.low, scale.high)]


def _frame(across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], x: Scale, y: Scale) -> list[str]:
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
    run: str, axes: Sequence[Axis], scales: Sequence[Scale], at: Sequence[float]
) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for axis, scale, x in zip(axes, scales, at, strict=True):
        if run in axis.places:
            pieces[-1].append((x, scale(axis.places[run])))
        elif pieces[-1]:
            pieces.append([])
    return [one for one in pieces if len(one) > 1]


def _told(run: RunData, axes: Sequence[Axis]) -> str:
    return f"{run.id}: " + ", ".join(f"{one.name} {shown(one.values[run.id])}" for one in axes if run.id in one.values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
