"""What changed between two runs of a step: code, packages, parameters, files and inputs."""

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
from zenbook.history.comparison.run_data import group_by_run
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import InputRecord, ParamRecord, RunQuery, RunRecord, StepRecord

Row = TypeVar("Row", ParamRecord, InputRecord)

MAX_EARLIER_RUNS = 50  # among which the nearest run is searched
_RANDOM_STATES = frozenset(OUTPUTS.values())


class Cause(StrEnum):
    """What kind of thing changed."""

    CODE = "code"
    PACKAGE = "package"
    PARAMETER = "parameter"
    FILE = "file"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference from an earlier run of a step."""

    cause: Cause
    description: str  # a clause, with names in backticks
    diff: str = ""  # of edited code


class EarlierRuns:
    """The runs of a pipeline before one of them, read once for all its steps."""

    def __init__(self, metadata: MetadataStore, run: RunRecord) -> None:
        self._metadata = metadata
        self._run = run

    def succeeded(self, step: str) -> list[StepRecord]:
        """List the earlier runs of a step that stored its outputs.

        Args:
            step: The step's name.

        Returns:
            One record for each cache key, the newest, sorted newest first.
        """
        records = [
            record for record in self._steps.get(step, ()) if record.state is StepState.SUCCEEDED and record.cache_key
        ]
        return list({record.cache_key: record for record in reversed(records)}.values())[::-1]

    @cached_property
    def _ids(self) -> list[str]:
        query = RunQuery(pipeline=self._run.pipeline, limit=MAX_EARLIER_RUNS, before=self._run.id)
        return [run.id for run in self._metadata.runs(query)]

    @cached_property
    def _steps(self) -> dict[str, list[StepRecord]]:
        by_name: dict[str, list[StepRecord]] = {}
        for record in sorted(self._metadata.steps(self._ids), key=lambda record: record.run, reverse=True):
            by_name.setdefault(record.name, []).append(record)
        return by_name

    @cached_property
    def params(self) -> dict[str, list[ParamRecord]]:
        """The parameters by run."""
        return group_by_run(self._metadata.params([*self._ids, self._run.id]))

    @cached_property
    def inputs(self) -> dict[str, list[InputRecord]]:
        """The inputs by run."""
        return group_by_run(self._metadata.inputs([*self._ids, self._run.id]))


def step_changes(
    metadata: MetadataStore, run: RunRecord, step: StepRecord, before: StepRecord, earlier: EarlierRuns | None = None
) -> Iterator[Change]:
    """Compare a step run with an earlier run of the step.

    Args:
        metadata: The store that holds both.
        run: The run of ``step``.
        step: The step run.
        before: The earlier run of the step.
        earlier: Rows that have been read already; without it, those of the two runs are read.

    Yields:
        The changes: code first, then parameters, then inputs.
    """
    if step.fingerprint != before.fingerprint:
        yield from _code_changes(metadata, step, before)
    params = [_of_step(_params(metadata, record, earlier), record.name) for record in (step, before)]
    yield from _param_changes(*params)
    if not (step.state.has_outputs and before.state.has_outputs):
        return  # which inputs a step used is recorded when it ends
    inputs = [_of_step(_inputs(metadata, record, earlier), record.name) for record in (step, before)]
    input_changes = list(_input_changes(*inputs))
    yield from input_changes
    if step.fingerprint == before.fingerprint and not input_changes and step.cache_key != before.cache_key:
        yield from _package_changes(metadata, run, before, inputs[0].values())


def _params(metadata: MetadataStore, step: StepRecord, earlier: EarlierRuns | None) -> Iterable[ParamRecord]:
    return metadata.params([step.run]) if earlier is None else earlier.params.get(step.run, ())


def _inputs(metadata: MetadataStore, step: StepRecord, earlier: EarlierRuns | None) -> Iterable[InputRecord]:
    return metadata.inputs([step.run]) if earlier is None else earlier.inputs.get(step.run, ())


def _of_step(rows: Iterable[Row], step: str) -> dict[str, Row]:
    return {row.name: row for row in rows if row.step == step and row.name not in _RANDOM_STATES}


def _code_changes(metadata: MetadataStore, step: StepRecord, before: StepRecord) -> Iterator[Change]:
    new, old = capsule_of(metadata, step.capsule), capsule_of(metadata, before.capsule)
    if new is None or old is None:
        yield Change(Cause.CODE, "its code changed")
        return
    for change in code_changes(new, old):
        cause = Cause.PACKAGE if change.edit is Edit.VERSION else Cause.CODE
        yield Change(cause, change.description, change.diff)


def _param_changes(new: Mapping[str, ParamRecord], old: Mapping[str, ParamRecord]) -> Iterator[Change]:
    for name in sorted(new.keys() | old.keys()):
        now, before = new.get(name), old.get(name)
        if now is None or before is None:
            yield Change(Cause.PARAMETER, f"the parameter `{name}` is {'new' if before is None else 'gone'}")
        elif now.value != before.value:
            values = show(json.loads(before.value)), show(json.loads(now.value))
            yield Change(Cause.PARAMETER, f"the parameter `{name}` changed from {values[0]} to {values[1]}")
        elif now.content != before.content:
            yield Change(Cause.FILE, f"the file of the parameter `{name}` has new content")


def _input_changes(new: Mapping[str, InputRecord], old: Mapping[str, InputRecord]) -> Iterator[Change]:
    for name in sorted(new.keys() | old.keys()):
        now, before = new.get(name), old.get(name)
        if name == library_settings.OUTPUT:
            if now is None or before is None or now.digest != before.digest:
                source = next(f"`{record.source_step}`" for record in (now, before) if record is not None)
                yield Change(Cause.INPUT, f"the library settings made by {source} changed")
        elif now is None or before is None:
            yield Change(Cause.INPUT, f"the input `{name}` is {'new' if before is None else 'gone'}")
        elif (now.digest, now.format, now.member) != (before.digest, before.format, before.member):
            source = f", from `{now.source_step}.{now.source_output}`" if now.source_step else ""
            yield Change(Cause.INPUT, f"the input `{name}` has new content{source}")


def _package_changes(
    metadata: MetadataStore, run: RunRecord, before: StepRecord, inputs: Iterable[InputRecord]
) -> Iterator[Change]:
    """Changed versions of the packages whose objects a step receives without importing them."""
    earlier = metadata.run(before.run)
    if earlier is None or earlier.environment == run.environment:
        return
    packages = []
    for record in (run, earlier):
        environment = metadata.environment(record.environment)
        packages.append(json.loads(environment.description).get("packages", {}) if environment is not None else {})
    types = {(output.step, output.name): output.type for output in metadata.outputs([run.id])}
    modules = {types.get((row.source_step, row.source_output), "").partition(".")[0] for row in inputs}
    for name in sorted(packages[0].keys() | packages[1].keys()):
        new, old = packages[0].get(name), packages[1].get(name)
        if new != old and any(_provides(name, module) for module in modules if module):
            description = f"{name}, whose objects it takes, changed from {old or 'none'} to {new or 'none'}"
            yield Change(Cause.PACKAGE, description)


def _provides(distribution: str, module: str) -> bool:
    from zenbook.core.distributions import version_of

    version = version_of(module)
    return version is not None and version[0].casefold() == distribution.casefold()
