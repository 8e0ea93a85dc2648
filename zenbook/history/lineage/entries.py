"""A lineage as users see it: the steps before and after an artifact or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from zenbook.core.states import StepState
from zenbook.display.table import Table, moment
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    from zenbook.history.runs import Runs


SHOWN = 200  # entries in a table for people
DRAWN = 60  # boxes in a picture


class LineageRelation(StrEnum):
    """Where an entry is, seen from the artifact."""

    MADE = "made by"
    READ = "read by"
    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step that took part, in all the runs in which it did the same."""

    way: LineageRelation
    distance: int  # steps from the artifact: 1 made or read it
    step: str
    pipeline: str
    runs: tuple[str, ...]  # newest first
    state: StepState  # in the newest of them that ran it, else "cached"
    at: float | None
    inputs: tuple[str, ...]  # "split.train", a name for an object passed to the pipeline, "file data.csv"
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """The steps before and after an artifact or a file. It shows itself as a table, in a notebook with a picture."""

    of: str
    entries: tuple[Entry, ...]
    edges: tuple[tuple[int, int], ...] = ()  # places in `entries`, from the earlier to the later step
    stack: OpenStack | None = field(default=None, repr=False, compare=False)  # whose runs they are

    @property
    def upstream(self) -> tuple[Entry, ...]:
        """What it was made by, and what that was made of."""
        return tuple(one for one in self.entries if one.way in (LineageRelation.MADE, LineageRelation.UPSTREAM))

    @property
    def downstream(self) -> tuple[Entry, ...]:
        """What read it, and what read that."""
        return tuple(one for one in self.entries if one.way in (LineageRelation.READ, LineageRelation.DOWNSTREAM))

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that made or read the artifact or file itself, newest first."""
        near = (run for one in self.entries if one.distance == 1 for run in one.runs)
        return tuple(sorted(set(near), reverse=True))

    @property
    def used_in(self) -> Runs:
        """The same runs as a list that shows parameters and metrics, and can be compared."""
        from zenbook.history.runs import Runs
        from zenbook.history.sql.run_selection import records_of
        from zenbook.stack.stack import open_stack

        stack = self.stack or open_stack()
        return Runs(records_of(stack.metadata, self.runs), stack)

    def table(self, most: int | None = None) -> Table:
        """One row an entry, from the farthest upstream to the farthest downstream; at most the nearest ``most``."""
        near = sorted(range(len(self.entries)), key=lambda at: self.entries[at].distance)[:most]
        left_out = f": the nearest {len(near)} of {len(self.entries):,}" if len(near) < len(self.entries) else ""
        rows = [
            (
                str(one.way),
                one.step,
                one.pipeline,
                one.runs[0],
                len(one.runs),
                str(one.state),
                moment(one.at),
                ", ".join(one.inputs),
                ", ".join(one.outputs),
            )
            for one in (self.entries[at] for at in sorted(near))
        ]
        columns = ("way", "step", "pipeline", "newest run", "runs", "state", "when", "inputs", "outputs")
        return Table(f"Lineage of {self.of}{left_out}", columns, rows, "No run made or read it.")

    def df(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table().df()

    def picture(self) -> str:
        """The steps as an SVG graph, with the artifact or file between those that made and those that read it."""
        from zenbook.history.lineage.lineage_svg import picture

        return picture(self)

    def __repr__(self) -> str:
        return repr(self.table(SHOWN))

    def _repr_html_(self) -> str:
        from zenbook.display.run_graph_svg import data_uri

        table = self.table(SHOWN)._repr_html_()
        if not self.entries:
            return table
        if len(self.entries) > DRAWN:
            table = f"<div>The picture shows the nearest {DRAWN} steps.</div>{table}"
        return f'<img src="{data_uri(self.picture())}" alt="Lineage" style="max-width:100%">{table}'
