"""A comparison as sections of grids, lines, diffs and pictures: what its text and its HTML consist of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zenbook.display.table import duration, number
from zenbook.history.comparison.code_differences import CodeChange
from zenbook.history.comparison.comparison_data import ComparisonData
from zenbook.history.comparison.output_parts import output_parts
from zenbook.history.comparison.params_metrics import Metric
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part, shown_value
from zenbook.history.comparison.steps_environment import StepTimes

_PACKAGE = "package "
_VERDICT_STYLES = {"better": CellStyle.BETTER, "worse": CellStyle.WORSE}
_GOAL_ARROWS = {"higher": " ↑", "lower": " ↓"}
_MAX_NAMED = 6  # runs that a sentence names
_MAX_RELATIVE = 100  # times the first run's value: a larger change is not shown in per cent


class Topic(Enum):
    """The sections, in their order, by their titles."""

    PARAMETERS = "Parameters"
    METRICS = "Metrics"
    STEPS = "Steps"
    CODE = "Code"
    ENVIRONMENT = "Environment"
    OUTPUTS = "Outputs"


MANY = (Topic.CODE,)  # what is shown of many runs, beside the table of their parameters and metrics


@dataclass(frozen=True, slots=True)
class Section:
    """One topic: what differs in it. ``rest`` says what is not shown."""

    topic: Topic
    parts: tuple[Part, ...]
    rest: str = ""

    @property
    def size(self) -> int:
        """How many things differ in it."""
        heads = sum(isinstance(part, Line) and part.head for part in self.parts)
        return heads or sum(len(part.rows) if isinstance(part, Grid) else isinstance(part, Line) for part in self.parts)


def sections(comparison: ComparisonData, topics: Collection[Topic] = tuple(Topic)) -> list[Section]:
    """The sections of a comparison in which something differs; all that have content where it shows everything.

    Args:
        comparison: The comparison.
        topics: Those that are wanted.

    Returns:
        The sections that are not empty.
    """
    return [section for topic in topics if (section := _BUILDERS[topic](comparison)).parts]


def _params(comparison: ComparisonData) -> Section:
    rows = [(Cell(name), *_cells(values, comparison)) for name, values in comparison.params.items()]
    grid = _grid(("parameter", *_labels(comparison)), rows)
    return Section(Topic.PARAMETERS, grid, _count_of_same(comparison.all_params, rows))


def _metrics(comparison: ComparisonData) -> Section:
    is_pair = len(comparison.runs) == 2
    rows = []
    for name, metric in comparison.metrics.items():
        cells = list(_cells(metric.values, comparison))
        if is_pair:
            cells.append(_change(metric, comparison.runs[1]))
        else:
            cells = [
                Cell(cell.text, _VERDICT_STYLES.get(metric.verdict(run), cell.style))
                for run, cell in zip(comparison.runs, cells, strict=True)
            ]
        rows.append((Cell(name + _GOAL_ARROWS.get(str(metric.better), "")), *cells))
    columns = ("metric", *_labels(comparison), *(("change",) if is_pair else ()))
    return Section(Topic.METRICS, _grid(columns, rows), _count_of_same(comparison.all_metrics, rows))


def _steps(comparison: ComparisonData) -> Section:
    first = comparison.runs[0]
    rows = [
        (Cell(name), *(_step(times, run, first) for run in comparison.runs)) for name, times in comparison.steps.items()
    ]
    return Section(Topic.STEPS, _grid(("step", *_labels(comparison)), rows))


def _code(comparison: ComparisonData) -> Section:
    parts: list[Part] = []
    runs: dict[tuple[CodeChange, tuple[str, ...]], list[str]] = {}
    for difference in comparison.code:
        runs.setdefault((difference.change, difference.steps), []).append(_label(comparison, difference.run))
    for (change, steps), labels in runs.items():
        names = ", ".join(labels[:_MAX_NAMED])
        names += f" and {len(labels) - _MAX_NAMED} more" if len(labels) > _MAX_NAMED else ""
        where = f" (run{'s' * (len(labels) > 1)} {names})" if len(comparison.runs) > 2 else ""
        parts.append(Line(f"{change.description}, in {', '.join(steps)}{where}"))
        if change.diff:
            parts.append(Diff(change.diff))
    return Section(Topic.CODE, tuple(parts))


def _environment(comparison: ComparisonData) -> Section:
    rows = [
        (Cell(name.removeprefix(_PACKAGE)), *_cells(values, comparison))
        for name, values in comparison.environment.items()
    ]
    return Section(Topic.ENVIRONMENT, _grid(("", *_labels(comparison)), rows))


def _outputs(comparison: ComparisonData) -> Section:
    first = _labels(comparison)[0]
    parts: list[Part] = []
    for change in comparison.artifacts:
        other = _label(comparison, change.run)
        parts += output_parts(change, (first, other), named=len(comparison.runs) > 2)
    return Section(Topic.OUTPUTS, tuple(parts))


_BUILDERS: Mapping[Topic, Callable[[ComparisonData], Section]] = {
    Topic.PARAMETERS: _params,
    Topic.METRICS: _metrics,
    Topic.STEPS: _steps,
    Topic.CODE: _code,
    Topic.ENVIRONMENT: _environment,
    Topic.OUTPUTS: _outputs,
}


def _labels(comparison: ComparisonData) -> tuple[str, ...]:
    return tuple(run.label for run in comparison.run_data)


def _label(comparison: ComparisonData, run_id: str) -> str:
    return next(run.label for run in comparison.run_data if run.id == run_id)


def _cells(values: Mapping[str, Any], comparison: ComparisonData) -> Iterator[Cell]:
    """A cell for each run; those that differ from the first run's are marked."""
    first_run = comparison.runs[0]
    first = values.get(first_run)
    for run in comparison.runs:
        if run not in values:
            yield Cell("–", CellStyle.FAINT)
            continue
        value = values[run]
        differs = first_run not in values or not (value == first or (value != value and first != first))  # noqa: PLR0124  # NaN
        yield Cell(shown_value(value), CellStyle.CHANGED if differs else CellStyle.PLAIN)


def _change(metric: Metric, run: str) -> Cell:
    if run not in metric.change:
        return Cell("")
    change, relative = metric.change[run], metric.relative.get(run)
    share = f" ({relative:+.1%})" if relative is not None and abs(relative) < _MAX_RELATIVE else ""
    verdict = metric.verdict(run)
    sign = "+" if change > 0 else ""
    return Cell(f"{sign}{number(change)}{share} {verdict}".rstrip(), _VERDICT_STYLES.get(verdict, CellStyle.PLAIN))


def _step(times: StepTimes, run: str, first: str) -> Cell:
    if run not in times.states:
        return Cell(f"– (there it is {times.twin})" if times.twin else "–", CellStyle.FAINT)
    state = times.states[run]
    took = f" {duration(times.seconds[run])}" if run in times.seconds else ""
    attempt = f", attempt {times.attempts[run]}" if times.attempts.get(run, 1) > 1 else ""
    changed = run != first and state != times.states.get(first)
    return Cell(f"{state}{took}{attempt}", CellStyle.CHANGED if changed else CellStyle.PLAIN)


def _grid(columns: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> tuple[Part, ...]:
    return (Grid(columns, tuple(rows)),) if rows else ()


def _count_of_same(everything: Mapping[str, Any], rows: Sequence[Any]) -> str:
    rest = len(everything) - len(rows)
    return f"{rest} more {'is' if rest == 1 else 'are'} the same" if rest > 0 else ""


__all__ = ["MANY", "Section", "Topic", "sections"]
