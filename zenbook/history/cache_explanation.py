"""Why a step ran or was served from the cache, in a sentence, with the diffs of edited code.

A step is compared with its previous run, which people remember, and with the nearest earlier run: the one that differs
in the fewest things, whose outputs the cache could have served without these changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zenbook.core.states import StepState
from zenbook.display.diff import diff_html, one_line_of_code, with_code
from zenbook.display.markup import NOTHING, Html
from zenbook.display.table import Table
from zenbook.display.theme import COLOURS, SIGNS
from zenbook.history.step_changes import Change, EarlierRuns, step_changes
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunRecord, StepRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier run of a step whose outputs could have been served, and what has changed since."""

    step: StepRecord
    changes: tuple[Change, ...]


def explain(metadata: MetadataStore, run: RunRecord, step: StepRecord) -> str:
    """Explain in one sentence why a step ran or was served from the cache.

    Args:
        metadata: The store that holds the run.
        run: The run.
        step: The step run.

    Returns:
        What is unchanged, or what changed since the step's previous run.
    """
    return CacheExplanation(metadata, run, step).reason


class CacheExplanation:
    """Why one step ran or was served from the cache. What it shows is read when you ask for it."""

    def __init__(
        self, metadata: MetadataStore, run: RunRecord, step: StepRecord, earlier: EarlierRuns | None = None
    ) -> None:
        self._metadata = metadata
        self._run = run
        self.step = step
        self._earlier = earlier or EarlierRuns(metadata, run)

    @cached_property
    def before(self) -> StepRecord | None:
        """The step's previous run, in any state; None for the first run, and for a step that did not run."""
        if not self.step.cache_key:
            return None
        return self._metadata.previous_step(self._run.pipeline, self.step.name, before=self._run.id)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What changed since the previous run."""
        return () if self.before is None else tuple(step_changes(self._metadata, self._run, self.step, self.before))

    @cached_property
    def nearest(self) -> Candidate | None:
        """The earlier run that differs in the fewest things, of several the newest; None if there is none.

        It is one of the newest 50 runs of the pipeline in which the step stored its outputs.
        """
        step = self.step
        if not step.cache_key or step.state is StepState.CACHED:
            return None
        candidates = [
            Candidate(record, tuple(step_changes(self._metadata, self._run, step, record, self._earlier)))
            for record in self._earlier.succeeded(step.name)
        ]
        return min(candidates, key=lambda candidate: len(candidate.changes), default=None)  # the newest comes first

    @property
    def reason(self) -> str:
        """One sentence."""
        step, before = self.step, self.before
        if step.why:
            return step.why
        if step.state is StepState.PENDING:
            return "it has not started"
        if not step.cache_key:
            return (
                "some of its outputs cannot be stored, so it runs each time"
                if step.state.has_outputs
                else "it has not run"
            )
        if before is None:
            return "it has not run before"
        if self.changes:
            return f"since run {before.run}: {_descriptions(self.changes)}"
        if not before.state.has_outputs:
            return f"in run {before.run} it was {before.state}"
        return (
            f"its code, parameters and inputs are those of run {before.run}: the version of a package whose objects it "
            "takes changed, or that run cannot be served again"
        )

    @property
    def nearest_reason(self) -> str:
        """How the nearest earlier run differs; empty if that is the previous run, which `reason` describes."""
        nearest = self.nearest
        described = "" if self.before is None or self.step.why else self.before.run
        if nearest is None or nearest.step.run == described:
            return ""
        if not nearest.changes:
            return f"run {nearest.step.run} had the same code, parameters and inputs"
        return f"nearest is run {nearest.step.run}: {_descriptions(nearest.changes)}"

    @property
    def full_reason(self) -> str:
        """The `reason`, with the `nearest_reason` in parentheses."""
        return f"{self.reason} ({self.nearest_reason})" if self.nearest_reason else self.reason

    @property
    def edits(self) -> list[Change]:
        """The changes of `changes` that have a diff; none if `reason` is not about them."""
        return [] if self.step.why else [change for change in self.changes if change.diff]

    @property
    def nearest_edits(self) -> list[Change]:
        """The changes since the nearest run that have a diff and are not in `edits`."""
        changes = self.nearest.changes if self.nearest is not None else ()
        return [change for change in changes if change.diff and change not in self.edits]

    def __repr__(self) -> str:
        lines = [f"{self.step.name} {self.step.state}: {self.reason}"]
        for change in self.edits:
            lines += [f"  {change.description}", *_diff_lines(change.diff)]
        if self.nearest_reason:
            lines.append(f"  {self.nearest_reason}")
            lines += (line for change in self.nearest_edits for line in _diff_lines(change.diff))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        state = self.step.state
        parts = [
            Html('<div><span style="color:{}">{}</span> <b>{}</b> {}: {}</div>').format(
                COLOURS[state], SIGNS[state], self.step.name, state, with_code(self.reason)
            )
        ]
        parts += (
            Html("<div>{}</div>{}").format(with_code(change.description), diff_html(change.diff))
            for change in self.edits
        )
        if self.nearest_reason:
            parts.append(Html('<div style="opacity:.8">{}</div>').format(with_code(self.nearest_reason)))
            parts += (diff_html(change.diff) for change in self.nearest_edits)
        return str(Html('<div style="line-height:1.5">{}</div>').format(NOTHING.join(parts)))


class CacheExplanations:
    """Why the steps of a run ran or were served from the cache: a sentence for each, and the diffs of edited code."""

    def __init__(self, run: str, steps: Sequence[CacheExplanation]) -> None:
        self.run = run
        self.steps = {explanation.step.name: explanation for explanation in steps}

    @property
    def table(self) -> Table:
        """One row for each step."""
        rows = [
            (name, str(explanation.step.state), explanation.full_reason) for name, explanation in self.steps.items()
        ]
        return Table(f"Why the steps of run {self.run} ran", ("step", "state", "why"), rows, wide_last=True)

    def df(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        return self.table.df()

    def __getitem__(self, step: str) -> CacheExplanation:
        return self.steps[step]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        lines = [repr(self.table)]
        for title, diff in self._diffs():
            lines += ["", title, *_diff_lines(diff)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        diffs = NOTHING.join(
            Html('<div style="margin-top:6px">{}</div>{}').format(with_code(title), diff_html(diff))
            for title, diff in self._diffs()
        )
        below = Html('<div style="line-height:1.5">{}</div>').format(diffs) if diffs else NOTHING
        return self.table._repr_html_() + str(below)

    def _diffs(self) -> Iterator[tuple[str, str]]:
        """Each edited part once, with the steps that use it."""
        steps: dict[Change, list[str]] = {}
        for name, explanation in self.steps.items():
            for change in explanation.edits:
                steps.setdefault(change, []).append(name)
        return ((f"{change.description} ({', '.join(names)})", change.diff) for change, names in steps.items())


def _descriptions(changes: Sequence[Change]) -> str:
    return "; ".join(change.description for change in changes)


def _diff_lines(text: str) -> list[str]:
    return [f"    {one_line_of_code(line)}" for line in text.splitlines()]
