"""Walks along the lineage.

An edge within a run is what was recorded: an input names the step and the output that it read. Runs are joined where
an object that was passed to a pipeline is, byte for byte, what a step made elsewhere, and where steps of several runs
served or made one output of the same content. Step runs that did the same (same step, inputs and outputs) are one
entry, with all their runs. An object can only come from a run that began before the one that it was passed to: ids of
runs sort by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zenbook.core.states import StepState
from zenbook.errors import RunError
from zenbook.history.lineage.edges import TELLING, Call, Edges, Group
from zenbook.history.lineage.entries import Entry, Lineage, LineageRelation
from zenbook.stack.records import OutputRecord


class Search:
    """The ways along the edges of all runs."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    def of_output(self, record: OutputRecord) -> Lineage:
        """The lineage of one step's output: of its content, wherever that step made or served it."""
        name = f"{record.step}.{record.name} ({record.digest[:8]})"
        same = {"step": record.step, "output": record.name, "member": record.member}
        made = self._edges.made(record.digest, **same)
        readers = self._edges.readers(record.digest, **same)
        return self._walk(name, made, readers, record.digest if record.size >= TELLING else "")

    def of_digest(self, digest: str) -> Lineage:
        """The lineage of an artifact by its digest. Raises `RunError` where several begin so."""
        full = self._edges.digests(digest)
        if len(full) > 1:
            raise RunError(f"{len(full)} artifacts have a digest that begins with {digest!r}.", "Give more of it.")
        if not full and len(digest) < 64:
            raise RunError(f"No artifact's digest begins with {digest!r}.", "See `.digest` of an output.")
        whole = full[0] if full else digest
        return self._walk(whole[:12], self._edges.made(whole), self._edges.readers(whole), whole)

    def of_file(self, name: str, digest: str) -> Lineage:
        """The lineage of a file's content, whatever its name was."""
        readers = [*self._edges.readers_of_file(digest), *self._edges.readers(digest)]
        return self._walk(name, self._edges.made(digest), readers, digest)

    def _walk(self, name: str, made: list[Call], readers: Iterable[Call], digest: str) -> Lineage:
        """Both ways from an artifact; objects passed to pipelines count by their content."""
        since = min((run for run, _ in made), default="")
        given = self._edges.given(digest, since) if digest else []
        up = _spread(made, self._edges.before)
        down = _spread([*readers, *given], self._edges.after)
        ways = {call: LineageRelation.MADE if near == 1 else LineageRelation.UPSTREAM for call, near in up.items()}
        ways |= {call: LineageRelation.READ if near == 1 else LineageRelation.DOWNSTREAM for call, near in down.items()}
        distances = {**up, **down}
        if not distances:
            return Lineage(name, ())
        found = [(_entry(one, ways, distances), one) for one in self._edges.groups(distances)]
        found.sort(key=lambda both: _order(both[0]))
        places = {(run, one.step): at for at, (_, one) in enumerate(found) for run in one.runs}
        return Lineage(name, tuple(entry for entry, _ in found), tuple(sorted(self._edges.between(places))))


def _entry(group: Group, ways: dict[Call, LineageRelation], distances: dict[Call, int]) -> Entry:
    return Entry(
        ways[group.nearest],
        distances[group.nearest],
        group.step,
        group.pipeline,
        group.runs,
        StepState(group.state),
        group.at,
        group.inputs,
        group.outputs,
    )


def _spread(start: Iterable[Call], onward: Callable[[Iterable[Call]], list[Call]]) -> dict[Call, int]:
    """All that can be reached, with the number of steps to it; the start is at 1."""
    found = dict.fromkeys(start, 1)
    newest, distance = list(found), 1
    while newest:
        distance += 1
        newest = [one for one in onward(newest) if one not in found]
        found.update(dict.fromkeys(newest, distance))
    return found


def _order(entry: Entry) -> tuple[int, float, str]:
    """From the farthest upstream, by the artifact, to the farthest downstream; within it the oldest first."""
    before = entry.way in (LineageRelation.MADE, LineageRelation.UPSTREAM)
    return (-entry.distance if before else entry.distance), entry.at or 0.0, entry.step
