"""Tables for people: what a verb returns, aligned as text, readable as HTML, one call away from pandas.

How numbers, durations, times and long texts read is here too, so that all displays agree.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, overload

from zenbook.display.markup import NOTHING, Html

if TYPE_CHECKING:
    import pandas as pd

MAX_CELL = 48  # columns of a terminal


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Rows under named columns, which show themselves in a terminal and in a notebook.

    Cells keep their values; only what people see is shortened and rounded.

    Args:
        title: One line above the table; empty for none.
        columns: The names of the columns.
        rows: The cells of each row: moments as `datetime` (a naive one is local), durations as `timedelta`, None for
            what is not known.
        empty: What stands in place of a table without rows.
        wide_last: Show the cells of the last column in full, because they are sentences.
        notes: Lines below the table.
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
            place = list(self.columns).index(which)
            return [row[place] for row in self.rows]
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
        rooms = self._max_widths()
        cells = [[cut(cell_text(cell), room) for cell, room in zip(row, rooms, strict=True)] for row in self.rows]
        right = self._right_aligned()
        widths = [max(map(width, column)) for column in zip(self.columns, *cells, strict=True)]
        lines = [
            "  ".join(
                padded(cell, room, right=side) for cell, room, side in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in (list(self.columns), *cells)
        ]
        return "\n".join((*head, *lines, *self.notes))

    def _repr_html_(self) -> str:
        title = Html('<div style="font-weight:600;margin:2px 0">{}</div>').format(self.title) if self.title else NOTHING
        notes = NOTHING.join(Html('<div style="opacity:.8">{}</div>').format(note) for note in self.notes)
        if not self.rows:
            return str(Html('{}<div style="opacity:.7">{}</div>{}').format(title, self.empty, notes))
        aligns = ["right" if is_right else "left" for is_right in self._right_aligned()]
        head = NOTHING.join(
            Html('<th style="text-align:{}">{}</th>').format(align, name)
            for name, align in zip(self.columns, aligns, strict=True)
        )
        rooms = self._max_widths()
        body = NOTHING.join(
            Html("<tr>{}</tr>").format(NOTHING.join(map(_html_cell, row, aligns, rooms))) for row in self.rows
        )
        table = Html("<thead><tr>{}</tr></thead><tbody>{}</tbody>").format(head, body)
        return str(
            Html('{}<table style="margin:2px 0;border-collapse:collapse">{}</table>{}').format(title, table, notes)
        )

    def _max_widths(self) -> list[int]:
        """How many columns of a terminal the cells of each column may take."""
        rooms = [MAX_CELL] * len(self.columns)
        return [*rooms[:-1], sys.maxsize] if self.wide_last else rooms

    def _right_aligned(self) -> list[bool]:
        """Which columns hold nothing but numbers and durations."""
        result = []
        for place in range(len(self.columns)):
            cells = [row[place] for row in self.rows if row[place] is not None]
            numeric = all(isinstance(cell, int | float | timedelta) and not isinstance(cell, bool) for cell in cells)
            result.append(bool(cells) and numeric)
        return result


def cell_text(value: object) -> str:
    """A cell's value for people, in one line.

    Args:
        value: Any object; None, booleans, numbers, moments and durations have a form of their own.

    Returns:
        One line of text.
    """
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
    """A number with four significant digits, and all digits before the point.

    Args:
        value: The number; it may be infinite or NaN.

    Returns:
        For example ``0.1235`` or ``123457``.
    """
    if math.isfinite(value) and 1e4 <= abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """A length of time for people: ``0.4 ms``, ``12 ms``, ``1.2 s``, ``42 s``, ``3 min 05 s``, ``2 h 05 min``.

    Args:
        seconds: A negative one counts as 0, because the clocks of two machines may differ.

    Returns:
        The two largest units at most.
    """
    seconds = max(0.0, seconds)
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


def file_size(size: int) -> str:
    """A number of bytes for people.

    Args:
        size: Bytes.

    Returns:
        For example ``312 B``, ``4.1 kB`` or ``20 MB``; a kB has 1000 bytes.
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"


def moment(seconds: float | None) -> datetime | None:
    """A time of the records as a local `datetime`.

    Args:
        seconds: Since the epoch; None where the time is not known.

    Returns:
        The moment with its time zone, or None.
    """
    return None if seconds is None else datetime.fromtimestamp(seconds).astimezone()


def one_line(text: str) -> str:
    """The text without line ends and without characters that control a terminal.

    Args:
        text: Any text, such as an error of a user's code.

    Returns:
        One printable line; ⏎ stands for a line end, U+FFFD for a control character.
    """
    if text.isprintable():
        return text
    text = re.sub(r"\s*[\r\n]+\s*", " ⏎ ", text.strip()).replace("\t", " ")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def width(text: str) -> int:
    """How wide a text is in a terminal: East Asian characters take two columns.

    Args:
        text: One line.

    Returns:
        Columns.
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, room: int) -> str:
    """Shorten a text at its end, with … in place of the rest.

    Args:
        text: One line.
        room: Columns of a terminal that it may take.

    Returns:
        The text itself where it fits.
    """
    if width(text) <= room:
        return text
    if text.isascii():
        return text[: room - 1].rstrip() + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, room - 1).rstrip() + "…"


def padded(text: str, room: int, *, right: bool = False) -> str:
    """Fill a text up with spaces.

    Args:
        text: One line.
        room: Columns of a terminal that the result takes at least.
        right: Whether the text stands at the right.

    Returns:
        The text with the spaces.
    """
    fill = " " * (room - width(text))
    return fill + text if right else text + fill


def _html_cell(value: object, align: str, room: int) -> Html:
    full = cell_text(value)
    short = cut(full, room)
    title = Html(' title="{}"').format(full) if short != full else NOTHING
    wrap = "normal" if room > MAX_CELL else "nowrap"
    return Html('<td style="text-align:{};white-space:{}"{}>{}</td>').format(align, wrap, title, short)
