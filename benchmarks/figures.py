"""What a benchmark gives, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; without a ``target`` it is a yardstick, shown to compare with."""

    name: str
    measured: float
    unit: str
    target: float | None = None
    detail: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured over target: at most 1 is well."""
        return None if self.target is None else self.measured / self.target

    @property
    def verdict(self) -> str:
        """OK, over, or nothing for a yardstick."""
        if self.ratio is None:
            return ""
        return "OK" if self.ratio <= 1 else "over"


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one benchmark, and what exactly was timed."""

    title: str
    figures: tuple[Figure, ...]
    timed: str = ""


def table(result: Result) -> str:
    """A benchmark's figures as text."""
    rows = [("figure", "measured", "target", "ratio", "", "")]
    for one in result.figures:
        target = "" if one.target is None else f"≤ {_number(one.target)} {one.unit}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        rows.append((one.name, f"{_number(one.measured)} {one.unit}", target, ratio, one.verdict, one.detail))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([result.title, *(f"  {line}" for line in lines), *([f"  {result.timed}"] if result.timed else [])])


def over(results: Iterable[Result]) -> list[str]:
    """The names of the figures that miss their target."""
    return [one.name for result in results for one in result.figures if one.verdict == "over"]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
