"""Why a step ran or was served from the cache: what is unchanged, or what changed since an earlier run of it.

The run before is what people remember; the nearest earlier run, the one that differs in the fewest things, is what
the cache could have served had those things stayed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from zenbook.core.plain_values import show
from zenbook.core.states import StepState
from zenbook.engine.steps import library_settings
from zenbook.engine.steps.random_state import OUTPUTS
from zenbook.history.comparison.code_differences import Edit, capsule_of, code_changes
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import InputRecord, ParamRecord, RunQuery, RunRecord, StepRecord

Row = TypeVar("Row", ParamRecord, InputRecord)

LOOKED_AT = 50  # earlier runs among which the nearest is looked for
_RANDOM = frozenset(OUTPUTS.values())


class Cause(StrEnum):
    """What kind of thing changed."""

    CODE = "code"
    PACKAGE = "package"
    PARAMETER = "parameter"
    FILE = "file"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is another than in an earlier run of a step; ``diff`` shows edited code."""

    cause: Cause
    told: str
    diff: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier run of a step whose outputs could be served, and what is another now."""

    step: StepRecord
    changes: tuple[Change, ...]


def explain(metadata: MetadataStore, run: RunRecord, step: StepRecord) -> str:
    """One sentence: what is unchanged, or what changed since the step's run before."""
    return Explanation(metadata, run, step).reason


class Explanation:
    """Why one step ran or was served. What it says is looked up when it is asked for."""

    def __init__(
        self, metadata: MetadataStore, run: RunRecord, step: StepRecord, history: History | None = None
    ) -> None:
        self._metadata = metadata
        self._run = run
        self.step = step
        self._history = history or History(metadata, run)

    @cached_property
    def before(self) -> StepRecord | None:
        """The step's run before this one, whatever became of it; None for the first, and for one that did not run."""
        if not self.step.cache_key:
            return None
        return self._metadata.previous_step(self._run.pipeline, self.step.name, before=self._run.id)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What changed since the run before."""
        return () if self.before is None else tuple(_changes(self._metadata, self._run, self.step, self.before))

    @cached_property
    def nearest(self) -> Candidate | None:
        """The earlier run that differs in the fewest things (the newest of equals); None where there is no other.

        It is one of the newest 50 runs of the pipeline in which the step made its outputs.
        """
        step = self.step
        if not step.cache_key or step.state is StepState.CACHED:
            return None
        found = [
            Candidate(one, tuple(_changes(self._metadata, self._run, step, one, self._history)))
            for one in self._history.of_step(step.name)
        ]
        return min(found, key=lambda one: len(one.changes), default=None)  # the newest is the first

    @property
    def reason(self) -> str:
        """One sentence."""
        step, before = self.step, self.before
        if step.why:
            return step.why
        if step.state is StepState.PENDING:
            return "it has not begun"
        if not step.cache_key:
            return (
                "some of what it makes can't be stored, so it runs each time"
                if step.state.has_outputs
                else "it has not run"
            )
        if before is None:
            return "it has not run before"
        if self.changes:
            return f"since run {before.run}: {'; '.join(one.told for one in self.changes)}"
        if not before.state.has_outputs:
            return f"in run {before.run} it was {before.state}"
        return (
            f"its code, parameters and inputs are those of run {before.run}: the version of a package whose objects it "
            "takes changed, or that run can't be served again"
        )

    @property
    def nearest_told(self) -> str:
        """What the nearest earlier run differs in; empty where that is the run before, which `reason` tells of."""
        nearest = self.nearest
        told = "" if self.before is None or self.step.why else self.before.run  # the run that `reason` tells of
        if nearest is None or nearest.step.run == told:
            return ""
        if not nearest.changes:
            return f"run {nearest.step.run} had the same code, parameters and inputs"
        return f"nearest is run {nearest.step.run}: {'; '.join(one.told for one in nearest.changes)}"

    def __repr__(self) -> str:
        from zenbook.history.explanation_text import step_text

        return step_text(self)

    def _repr_html_(self) -> str:
        from zenbook.history.explanation_text import step_html

        return step_html(self)


class History:
    """The runs of a pipeline before one of them, read once for all its steps."""

    def __init__(self, metadata: MetadataStore, run: RunRecord) -> None:
        self._metadata = metadata
        self._run = run

    def of_step(self, name: str) -> list[StepRecord]:
        """The earlier runs of a step that made its outputs, newest first, one for each cache key."""
        found = [one for one in self._steps.get(name, ()) if one.state is StepState.SUCCEEDED and one.cache_key]
        return list({one.cache_key: one for one in reversed(found)}.values())[::-1]

    @cached_property
    def _ids(self) -> list[str]:
        query = RunQuery(pipeline=self._run.pipeline, limit=LOOKED_AT, before=self._run.id)
        return [one.id for one in self._metadata.runs(query)]

    @cached_property
    def _steps(self) -> dict[str, list[StepRecord]]:
        found: dict[str, list[StepRecord]] = {}
        for one in sorted(self._metadata.steps(self._ids), key=lambda one: one.run, reverse=True):
            found.setdefault(one.name, []).append(one)
        return found

    @cached_property
    def params(self) -> dict[str, list[ParamRecord]]:
        """The parameters by run."""
        return _by_run(self._metadata.params([*self._ids, self._run.id]))

    @cached_property
    def inputs(self) -> dict[str, list[InputRecord]]:
        """The inputs by run."""
        return _by_run(self._metadata.inputs([*self._ids, self._run.id]))


def _by_run(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for one in rows:
        found.setdefault(one.run, []).append(one)
    return found


def _changes(
    metadata: MetadataStore, run: RunRecord, step: StepRecord, before: StepRecord, history: History | None = None
) -> Iterator[Change]:
    if step.fingerprint != before.fingerprint:
        yield from _code(metadata, step, before)
    params = [_of_step(_params(metadata, one, history), one.name) for one in (step, before)]
    yield from _param_changes(*params)
    if not (step.state.has_outputs and before.state.has_outputs):
        return  # which inputs a step used is recorded with its end
    inputs = [_of_step(_inputs(metadata, one, history), one.name) for one in (step, before)]
    found = list(_input_changes(*inputs))
    yield from found
    if step.fingerprint == before.fingerprint and not found and step.cache_key != before.cache_key:
        yield from _package_changes(metadata, run, before, inputs[0].values())


def _params(metadata: MetadataStore, step: StepRecord, history: History | None) -> Iterable[ParamRecord]:
    return metadata.params([step.run]) if history is None else history.params.get(step.run, ())


def _inputs(metadata: MetadataStore, step: StepRecord, history: History | None) -> Iterable[InputRecord]:
    return metadata.inputs([step.run]) if history is None else history.inputs.get(step.run, ())


def _of_step(rows: Iterable[Row], step: str) -> dict[str, Row]:
    return {one.name: one for one in rows if one.step == step and one.name not in _RANDOM}


def _code(metadata: MetadataStore, step: StepRecord, before: StepRecord) -> Iterator[Change]:
    new, old = capsule_of(metadata, step.capsule), capsule_of(metadata, before.capsule)
    if new is None or old is None:
        yield Change(Cause.CODE, "its code changed")
        return
    for one in code_changes(new, old):
        yield Change(Cause.PACKAGE if one.edit is Edit.VERSION else Cause.CODE, one.description, one.diff)


def _param_changes(new: Mapping[str, ParamRecord], old: Mapping[str, ParamRecord]) -> Iterator[Change]:
    for name in sorted(new.keys() | old.keys()):
        one, other = new.get(name), old.get(name)
        if one is None or other is None:
            yield Change(Cause.PARAMETER, f"the parameter `{name}` is {'new' if other is None else 'gone'}")
        elif one.value != other.value:
            values = show(json.loads(other.value)), show(json.loads(one.value))
            yield Change(Cause.PARAMETER, f"the parameter `{name}` changed from {values[0]} to {values[1]}")
        elif one.content != other.content:
            yield Change(Cause.FILE, f"the file of the parameter `{name}` has another content")


def _input_changes(new: Mapping[str, InputRecord], old: Mapping[str, InputRecord]) -> Iterator[Change]:
    for name in sorted(new.keys() | old.keys()):
        one, other = new.get(name), old.get(name)
        if name == library_settings.OUTPUT:
            if one is None or other is None or one.digest != other.digest:
                source = next(f"`{found.source_step}`" for found in (one, other) if found is not None)
                yield Change(Cause.INPUT, f"other settings of libraries were made, by {source}")
        elif one is None or other is None:
            yield Change(Cause.INPUT, f"the input `{name}` is {'new' if other is None else 'gone'}")
        elif (one.digest, one.format, one.member) != (other.digest, other.format, other.member):
            source = f", from `{one.source_step}.{one.source_output}`" if one.source_step else ""
            yield Change(Cause.INPUT, f"the input `{name}` has another content{source}")


def _package_changes(
    metadata: MetadataStore, run: RunRecord, before: StepRecord, inputs: Iterable[InputRecord]
) -> Iterator[Change]:
    """Versions of the packages whose objects a step takes without importing them."""
    earlier = metadata.run(before.run)
    if earlier is None or earlier.environment == run.environment:
        return
    packages = []
    for record in (run, earlier):
        found = metadata.environment(record.environment)
        packages.append(json.loads(found.description).get("packages", {}) if found is not None else {})
    types = {(one.step, one.name): one.type for one in metadata.outputs([run.id])}
    tops = {types.get((one.source_step, one.source_output), "").partition(".")[0] for one in inputs}
    for name in sorted(packages[0].keys() | packages[1].keys()):
        new, old = packages[0].get(name), packages[1].get(name)
        if new != old and any(_is_named(name, top) for top in tops if top):
            told = f"{name}, whose objects it takes, changed from {old or 'none'} to {new or 'none'}"
            yield Change(Cause.PACKAGE, told)


def _is_named(distribution: str, top: str) -> bool:
    from zenbook.core.distributions import version_of

    found = version_of(top)
    return found is not None and found[0].casefold() == distribution.casefold()
