"""Tables for people: what a verb returns, aligned as text, readable as HTML, one call away from pandas.

The small words of every display live here too (durations, times, widths, escaped text), so that all displays agree.
"""

from __future__ import annotations

import html
import math
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import pandas as pd

MAX_CELL = 48  # columns of a terminal

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Rows under named columns, which draw themselves in a terminal and in a notebook.

    Cells keep their values: give moments as `datetime` (a naive one is local), durations as `timedelta`, what is not
    known as None. ``empty`` is what a table without rows says. Long cells are cut for people; those of the last column
    are shown whole where they are sentences (``wide_last``). ``notes`` stand below, a line each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = "(nothing yet)"
    wide_last: bool = False
    notes: Sequence[str] = ()

    def __iter__(self) -> Iterator[dict[str, object]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, which: int) -> dict[str, object]: ...
    @overload
    def __getitem__(self, which: slice) -> Table: ...
    @overload
    def __getitem__(self, which: str) -> list[object]: ...
    def __getitem__(self, which: int | slice | str) -> dict[str, object] | Table | list[object]:
        """A row by its number, some rows by a slice, or a column by its name (KeyError if there is none)."""
        if isinstance(which, str):
            if which not in self.columns:
                raise KeyError(which)
            at = list(self.columns).index(which)
            return [row[at] for row in self.rows]
        if isinstance(which, slice):
            return Table(self.title, self.columns, self.rows[which], self.empty, self.wide_last, self.notes)
        return dict(zip(self.columns, self.rows[which], strict=True))

    def df(self) -> pd.DataFrame:
        """The table as a pandas DataFrame, with the values as they are (nothing is cut or rounded)."""
        import pandas as pd

        return pd.DataFrame([list(row) for row in self.rows], columns=list(self.columns))

    def __repr__(self) -> str:
        head = [self.title] if self.title else []
        if not self.rows:
            return "\n".join((*head, self.empty, *self.notes))
        rooms = self._rooms()
        cells = [[cut(shown(cell), room) for cell, room in zip(row, rooms, strict=True)] for row in self.rows]
        right = self._right_aligned()
        widths = [max(width(one) for one in column) for column in zip(self.columns, *cells, strict=True)]
        lines = [
            "  ".join(
                padded(cell, room, right=side) for cell, room, side in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in (list(self.columns), *cells)
        ]
        return "\n".join((*head, *lines, *self.notes))

    def _repr_html_(self) -> str:
        title = f'<div style="font-weight:600;margin:2px 0">{escaped(self.title)}</div>' if self.title else ""
        notes = "".join(f'<div style="opacity:.8">{escaped(one)}</div>' for one in self.notes)
        if not self.rows:
            return f'{title}<div style="opacity:.7">{escaped(self.empty)}</div>{notes}'
        aligns = ["right" if one else "left" for one in self._right_aligned()]
        head = "".join(
            f'<th style="text-align:{align}">{escaped(name)}</th>'
            for name, align in zip(self.columns, aligns, strict=True)
        )
        rooms = self._rooms()
        body = "".join("<tr>" + "".join(map(_html_cell, row, aligns, rooms)) + "</tr>" for row in self.rows)
        table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'{title}<table style="margin:2px 0;border-collapse:collapse">{table}</table>{notes}'

    def _rooms(self) -> list[int]:
        """How many columns of a terminal each cell of a row may take."""
        rooms = [MAX_CELL] * len(self.columns)
        return [*rooms[:-1], sys.maxsize] if self.wide_last else rooms

    def _right_aligned(self) -> list[bool]:
        """Which columns hold nothing but numbers and durations."""
        result = []
        for at in range(len(self.columns)):
            cells = [row[at] for row in self.rows if row[at] is not None]
            numeric = all(isinstance(one, int | float | timedelta) and not isinstance(one, bool) for one in cells)
            result.append(bool(cells) and numeric)
        return result


def shown(value: object) -> str:
    """A cell's value for people, in one line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return number(value)
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            return duration(value.total_seconds())
        case _:
            return one_line(str(value))


def number(value: float) -> str:
    """A number with four significant digits, and all those before the point."""
    if math.isfinite(value) and 1e4 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """A length of time for people: ``0.4 ms``, ``12 ms``, ``1.2 s``, ``42 s``, ``3 min 05 s``, ``2 h 05 min``."""
    seconds = max(0.0, seconds)  # clocks of two machines may differ
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours:02} h"


def moment(seconds: float | None) -> datetime | None:
    """A time of the records (seconds since the epoch) as a local `datetime`; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds).astimezone()


def one_line(text: str) -> str:
    """The text without line ends and without characters that steer a terminal."""
    if text.isprintable():
        return text
    text = re.sub(r"\s*[\r\n]+\s*", " ⏎ ", text.strip()).replace("\t", " ")
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def escaped(text: str) -> str:
    """Text for HTML and XML, without the characters that XML can't hold."""
    return html.escape(_NOT_XML.sub("\ufffd", text))


def width(text: str) -> int:
    """How many columns of a terminal the text takes, roughly: East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(_columns(one) for one in text)


def cut(text: str, room: int) -> str:
    """The text, cut with … where it takes more than ``room`` columns of a terminal."""
    if width(text) <= room:
        return text
    kept, used = [], 0
    for one in text:
        used += _columns(one)
        if used > room - 1:
            break
        kept.append(one)
    return "".join(kept).rstrip() + "…"


def padded(text: str, room: int, *, right: bool = False) -> str:
    """The text, filled up to ``room`` columns of a terminal."""
    fill = " " * (room - width(text))
    return fill + text if right else text + fill


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _html_cell(value: object, align: str, room: int) -> str:
    full = shown(value)
    short = cut(full, room)
    title = f' title="{escaped(full)}"' if short != full else ""
    wrap = "normal" if room > MAX_CELL else "nowrap"
    return f'<td style="text-align:{align};white-space:{wrap}"{title}>{escaped(short)}</td>'
