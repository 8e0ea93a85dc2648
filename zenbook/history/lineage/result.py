"""A lineage as users see it: the steps before and after an artifact or a file, as a table and a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zenbook.display.markup import NOTHING, Html
from zenbook.display.svg import image
from zenbook.display.table import Table, moment
from zenbook.history.lineage.lineage_model import Edge, Entry, nearest
from zenbook.history.lineage.lineage_svg import MAX_DRAWN, lineage_svg
from zenbook.stack.stack import OpenStack, open_stack

if TYPE_CHECKING:
    from zenbook.history.runs import Runs

_MAX_ROWS = 200  # entries in a table for people


@dataclass(frozen=True)
class Lineage:
    """The steps before and after an artifact or a file. It shows itself as a table, in a notebook with a picture."""

    of: str
    entries: tuple[Entry, ...]
    edges: tuple[Edge, ...] = ()
    stack: OpenStack | None = field(default=None, repr=False, compare=False)  # whose runs they are

    @property
    def upstream(self) -> tuple[Entry, ...]:
        """The steps that made it, and the steps that made what those read."""
        return tuple(entry for entry in self.entries if entry.relation.is_before)

    @property
    def downstream(self) -> tuple[Entry, ...]:
        """The steps that read it, and the steps that read what those made."""
        return tuple(entry for entry in self.entries if not entry.relation.is_before)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that made or read the artifact or file itself, newest first."""
        near = (run for entry in self.entries if entry.distance == 1 for run in entry.runs)
        return tuple(sorted(set(near), reverse=True))

    @property
    def used_in(self) -> Runs:
        """The same runs as a list that shows parameters and metrics, and can be compared."""
        from zenbook.history.runs import Runs
        from zenbook.history.sql.run_selection import records_of

        stack = self.stack or open_stack()
        return Runs(records_of(stack.metadata, self.runs), stack)

    def table(self, most: int | None = None) -> Table:
        """One row an entry, from the farthest upstream to the farthest downstream.

        Args:
            most: How many entries are shown at most, the nearest ones; None for all.

        Returns:
            The table.
        """
        near = nearest(self.entries, most)
        left_out = f": the nearest {len(near)} of {len(self.entries):,}" if len(near) < len(self.entries) else ""
        columns = ("way", "step", "pipeline", "newest run", "runs", "state", "when", "inputs", "outputs")
        rows = [_row(self.entries[place]) for place in near]
        return Table(f"Lineage of {self.of}{left_out}", columns, rows, "No run made or read it.")

    def df(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table().df()

    def picture(self) -> str:
        """The steps as an SVG graph, with the artifact or file between those that made and those that read it."""
        return lineage_svg(self.of, self.entries, self.edges)

    def __repr__(self) -> str:
        return repr(self.table(_MAX_ROWS))

    def _repr_html_(self) -> str:
        table = self.table(_MAX_ROWS)._repr_html_()
        if not self.entries:
            return table
        note = Html("<div>The picture shows the nearest {} steps.</div>").format(MAX_DRAWN)
        return f"{image(self.picture(), 'Lineage')}{note if len(self.entries) > MAX_DRAWN else NOTHING}{table}"


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        str(entry.relation),
        entry.step,
        entry.pipeline,
        entry.runs[0],
        len(entry.runs),
        str(entry.state),
        moment(entry.at),
        ", ".join(entry.inputs),
        ", ".join(entry.outputs),
    )
