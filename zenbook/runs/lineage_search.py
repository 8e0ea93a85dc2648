"""Walks along the lineage.

An edge within a run is what was recorded: an input names the step and the output that it read. Runs are joined where
an object that was passed to a pipeline is, byte for byte, what a step made elsewhere, and where steps of several runs
served or made one output of the same content. Step runs that did the same (same step, inputs and outputs) are one
entry, with all their runs. An object can only come from a run that began before the one that it was passed to: ids of
runs sort by time.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from zenbook.core.states import StepState
from zenbook.core.values import show
from zenbook.errors import RunError
from zenbook.runs.execution import HIDDEN
from zenbook.runs.lineage_entries import Entry, Lineage, Way
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import InputRecord, OutputRecord, ParamRecord, RunQuery, RunRecord, StepRecord

LOOKED_AT = 2000  # the newest runs that are looked through
_PAGE = 500
_TELLING = 64  # bytes: equal content of less is no sign of a common origin (0, True, an empty list)

Call = tuple[str, str]  # run, step


@dataclass(frozen=True, slots=True)
class _Same:
    """What makes two step runs one entry."""

    pipeline: str
    step: str
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


class Search:
    """The edges of the newest runs, and the ways along them."""

    def __init__(self, metadata: MetadataStore) -> None:
        self.metadata = metadata
        self.runs: dict[str, RunRecord] = {}
        self.steps: dict[Call, StepRecord] = {}
        self.inputs: dict[Call, list[InputRecord]] = defaultdict(list)
        self.outputs: dict[Call, list[OutputRecord]] = defaultdict(list)
        self.files: dict[Call, list[ParamRecord]] = defaultdict(list)
        self.partial = False
        self._read()

    def of_output(self, record: OutputRecord) -> Lineage:
        """The lineage of one step's output: of its content, wherever that step made or served it."""
        name = f"{record.step}.{record.name} ({record.digest[:8]})"
        made = [
            one
            for found in self.outputs.values()
            for one in found
            if (one.step, one.name, one.digest, one.member) == (record.step, record.name, record.digest, record.member)
        ]
        return self._walk(name, made, self._readers_of(made), [record.digest] if record.size >= _TELLING else [])

    def of_digest(self, digest: str) -> Lineage:
        """The lineage of an artifact by its digest. Raises `RunError` where several begin so."""
        full = {one.digest for found in self.outputs.values() for one in found if one.digest.startswith(digest)}
        full |= {one.digest for found in self.inputs.values() for one in found if one.digest.startswith(digest)}
        if len(full) > 1:
            raise RunError(f"{len(full)} artifacts have a digest that begins with {digest!r}.", "Give more of it.")
        if not full and len(digest) < 64:
            raise RunError(f"No artifact's digest begins with {digest!r}.", "See `.digest` of an output.")
        whole = next(iter(full), digest)
        made = [one for found in self.outputs.values() for one in found if one.digest == whole]
        return self._walk(whole[:12], made, self._readers_of(made), [whole])

    def of_file(self, name: str, digest: str) -> Lineage:
        """The lineage of a file's content, whatever its name was."""
        readers = [call for call, found in self.files.items() if any(one.content == digest for one in found)]
        made = [one for found in self.outputs.values() for one in found if one.digest == digest]
        return self._walk(name, made, [*readers, *self._readers_of(made)], [digest])

    def _read(self) -> None:
        before: str | None = None
        while len(self.runs) < LOOKED_AT:
            found = self.metadata.runs(RunQuery(limit=_PAGE, before=before))
            self._read_page({one.id: one for one in found})
            if len(found) < _PAGE:
                return
            before = found[-1].id
        self.partial = bool(self.metadata.runs(RunQuery(limit=1, before=before)))

    def _read_page(self, runs: dict[str, RunRecord]) -> None:
        if not runs:
            return
        ids = list(runs)
        self.runs |= runs
        self.steps |= {(one.run, one.name): one for one in self.metadata.steps(ids)}
        for used in self.metadata.inputs(ids):
            if used.name not in HIDDEN:
                self.inputs[used.run, used.step].append(used)
        for made in self.metadata.outputs(ids):
            if made.name not in HIDDEN:
                self.outputs[made.run, made.step].append(made)
        for param in self.metadata.params(ids):
            if param.content and param.step:
                self.files[param.run, param.step].append(param)

    def _walk(self, name: str, made: list[OutputRecord], readers: Iterable[Call], digests: list[str]) -> Lineage:
        """Both ways from an artifact; objects passed to pipelines count by their content."""
        since = min((one.run for one in made), default="")
        given = [call for digest in digests for call in self._given.get(digest, ()) if call[0] > since]
        up = _spread(dict.fromkeys((one.run, one.step) for one in made), self._before)
        down = _spread(dict.fromkeys((*readers, *given)), self._after)
        both = {call: (Way.MADE if near == 1 else Way.UPSTREAM, near) for call, near in up.items()}
        both |= {call: (Way.READ if near == 1 else Way.DOWNSTREAM, near) for call, near in down.items()}
        return self._joined(name, both)

    def _joined(self, name: str, calls: dict[Call, tuple[Way, int]]) -> Lineage:
        groups: dict[_Same, list[Call]] = {}
        for call in calls:
            groups.setdefault(self._what(call), []).append(call)
        made = [(self._entry(same, group, calls), group) for same, group in groups.items()]
        made.sort(key=lambda one: _order(one[0]))
        place = {call: at for at, (_, group) in enumerate(made) for call in group}
        edges = {
            (place[source], place[call])
            for call in calls
            for source in self._before(call)
            if source in place and place[source] != place[call]
        }
        entries = tuple(entry for entry, _ in made)
        return Lineage(name, entries, tuple(sorted(edges)), len(self.runs), self.partial)

    def _entry(self, same: _Same, group: list[Call], calls: dict[Call, tuple[Way, int]]) -> Entry:
        group = sorted(group, reverse=True)
        way, distance = min((calls[call] for call in group), key=lambda one: one[1])
        steps = [self.steps[call] for call in group]
        ran = next((one for one in steps if one.state is not StepState.CACHED), steps[0])
        return Entry(
            way,
            distance,
            same.step,
            same.pipeline,
            tuple(run for run, _ in group),
            ran.state,
            ran.ended_at or ran.started_at,
            tuple(dict.fromkeys(self._named_inputs(group[0]))),
            tuple(one.name for one in self.outputs.get(group[0], ())),
        )

    def _what(self, call: Call) -> _Same:
        inputs = ((one.name, one.digest) for one in self.inputs.get(call, ()))
        outputs = ((one.name, one.digest) for one in self.outputs.get(call, ()))
        return _Same(self.runs[call[0]].pipeline, call[1], tuple(sorted(inputs)), tuple(sorted(outputs)))

    def _named_inputs(self, call: Call) -> Iterator[str]:
        for one in self.inputs.get(call, ()):
            yield f"{one.source_step}.{one.source_output}" if one.source_step else one.source_output
        for param in self.files.get(call, ()):
            yield f"file {show(json.loads(param.value))}"

    def _before(self, call: Call) -> list[Call]:
        """The step runs whose outputs a step run read."""
        found: list[Call] = []
        for one in self.inputs.get(call, ()):
            if one.source_step:
                found.append((call[0], one.source_step))
            else:
                found += (maker for maker in self._makers.get(one.digest, ()) if maker[0] < call[0])
        return [one for one in found if one in self.steps]

    def _after(self, call: Call) -> list[Call]:
        """The step runs that read a step run's outputs, in its run or given to another pipeline."""
        within = (reader for one in self.outputs.get(call, ()) for reader in self._readers.get((*call, one.name), ()))
        given = (
            reader
            for one in self.outputs.get(call, ())
            if one.size >= _TELLING
            for reader in self._given.get(one.digest, ())
            if reader[0] > call[0]
        )
        return [*within, *given]

    def _readers_of(self, made: Iterable[OutputRecord]) -> list[Call]:
        return [call for one in made for call in self._readers.get((one.run, one.step, one.name), ())]

    @cached_property
    def _readers(self) -> dict[tuple[str, str, str], list[Call]]:
        """Who read an output in its own run."""
        found: dict[tuple[str, str, str], list[Call]] = defaultdict(list)
        for call, inputs in self.inputs.items():
            for one in inputs:
                if one.source_step:
                    found[one.run, one.source_step, one.source_output].append(call)
        return found

    @cached_property
    def _given(self) -> dict[str, list[Call]]:
        """Who read an object that was passed to a pipeline, by its content."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call, inputs in self.inputs.items():
            for one in inputs:
                if not one.source_step:
                    found[one.digest].append(call)
        return found

    @cached_property
    def _makers(self) -> dict[str, list[Call]]:
        """Who made an artifact, by its content."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call, outputs in self.outputs.items():
            for one in outputs:
                if one.size >= _TELLING:
                    found[one.digest].append(call)
        return found


def _spread(start: Iterable[Call], after: Callable[[Call], list[Call]]) -> dict[Call, int]:
    """All that can be reached, with the number of steps to it; the start is at 1."""
    found = dict.fromkeys(start, 1)
    waiting = deque(found)
    while waiting:
        call = waiting.popleft()
        for one in after(call):
            if one not in found:
                found[one] = found[call] + 1
                waiting.append(one)
    return found


def _order(entry: Entry) -> tuple[int, float, str]:
    """From the farthest upstream, by the artifact, to the farthest downstream; within it the oldest first."""
    before = entry.way in (Way.MADE, Way.UPSTREAM)
    return (-entry.distance if before else entry.distance), entry.at or 0.0, entry.step
