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
from zenbook.history.lineage.edges import MIN_TELLING_SIZE, Call, Edges, Group
from zenbook.history.lineage.lineage_model import Entry, LineageRelation
from zenbook.history.lineage.result import Lineage
from zenbook.stack.records import OutputRecord

_DIGEST_LENGTH, _SHOWN_DIGITS = 64, 12  # hex digits


class Search:
    """Finds the steps before and after an artifact or a file, along the edges of all runs."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    def of_output(self, record: OutputRecord) -> Lineage:
        """The lineage of one step's output: of its content, wherever that step made or served it.

        Args:
            record: The output's row.

        Returns:
            The lineage.
        """
        name = f"{record.step}.{record.name} ({record.digest[:8]})"
        same = {"step": record.step, "output": record.name, "member": record.member}
        makers = self._edges.makers(record.digest, **same)
        readers = self._edges.readers(record.digest, **same)
        return self._walk(name, makers, readers, record.digest if record.size >= MIN_TELLING_SIZE else "")

    def of_digest(self, digest: str) -> Lineage:
        """The lineage of an artifact by its digest.

        Args:
            digest: The digest, or its beginning.

        Returns:
            The lineage.

        Raises:
            RunError: No digest begins so, or several do.
        """
        matches = self._edges.digests(digest)
        if len(matches) > 1:
            raise RunError(f"{len(matches)} artifacts have a digest that begins with {digest!r}.", "Give more digits.")
        if not matches and len(digest) < _DIGEST_LENGTH:
            raise RunError(f"No artifact's digest begins with {digest!r}.", "See `.digest` of an output.")
        whole = matches[0] if matches else digest
        return self._walk(whole[:_SHOWN_DIGITS], self._edges.makers(whole), self._edges.readers(whole), whole)

    def of_file(self, name: str, digest: str) -> Lineage:
        """The lineage of a file's content, whatever its name was.

        Args:
            name: The file's name, for the title.
            digest: The digest of its content.

        Returns:
            The lineage.
        """
        readers = [*self._edges.readers_of_file(digest), *self._edges.readers(digest)]
        return self._walk(name, self._edges.makers(digest), readers, digest)

    def _walk(self, name: str, makers: list[Call], readers: Iterable[Call], digest: str) -> Lineage:
        """Both ways from an artifact; objects passed to pipelines count by their content."""
        since = min((run for run, _ in makers), default="")
        receivers = self._edges.receivers(digest, since) if digest else []
        up = _distances(makers, self._edges.before)
        down = _distances([*readers, *receivers], self._edges.after)
        relations = {
            call: LineageRelation.MADE if distance == 1 else LineageRelation.UPSTREAM for call, distance in up.items()
        }
        relations |= {
            call: LineageRelation.READ if distance == 1 else LineageRelation.DOWNSTREAM
            for call, distance in down.items()
        }
        distances = {**up, **down}
        if not distances:
            return Lineage(name, ())
        entries = [(_entry(group, relations, distances), group) for group in self._edges.groups(distances)]
        entries.sort(key=lambda pair: _order(pair[0]))
        places = {(run, group.step): place for place, (_, group) in enumerate(entries) for run in group.runs}
        return Lineage(name, tuple(entry for entry, _ in entries), tuple(sorted(self._edges.between(places))))


def _entry(group: Group, relations: dict[Call, LineageRelation], distances: dict[Call, int]) -> Entry:
    return Entry(
        relations[group.nearest],
        distances[group.nearest],
        group.step,
        group.pipeline,
        group.runs,
        StepState(group.state),
        group.at,
        group.inputs,
        group.outputs,
    )


def _distances(start: Iterable[Call], onward: Callable[[Iterable[Call]], list[Call]]) -> dict[Call, int]:
    """All calls that can be reached, with the number of steps to each; the start is at 1."""
    distances = dict.fromkeys(start, 1)
    newest, distance = list(distances), 1
    while newest:
        distance += 1
        newest = [call for call in onward(newest) if call not in distances]
        distances.update(dict.fromkeys(newest, distance))
    return distances


def _order(entry: Entry) -> tuple[int, float, str]:
    """From the farthest upstream, by the artifact, to the farthest downstream; within it the oldest first."""
    return (-entry.distance if entry.relation.is_before else entry.distance), entry.at or 0.0, entry.step
