"""A comparison as sections of grids, lines, diffs and pictures: what its text and its HTML are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from zenbook.display.table import duration, number
from zenbook.history.comparison.code_differences import CodeChange
from zenbook.history.comparison.output_parts import output_parts
from zenbook.history.comparison.params_metrics import Metric
from zenbook.history.comparison.parts import Cell, CellStyle, Diff, Grid, Line, Part, shown_value

if TYPE_CHECKING:
    from zenbook.history.comparison.compare import Comparison
    from zenbook.history.comparison.steps_environment import StepTimes

_PACKAGE = "package "


class Topic(Enum):
    """The sections, in their order, by their titles."""

    PARAMETERS = "Parameters"
    METRICS = "Metrics"
    STEPS = "Steps"
    CODE = "Code"
    ENVIRONMENT = "Environment"
    OUTPUTS = "Outputs"


MANY = (Topic.CODE,)  # what is told of many runs, beside the table of their parameters and metrics
_NAMED = 6  # runs


@dataclass(frozen=True, slots=True)
class Section:
    """One topic: what differs in it. ``rest`` says what is not shown."""

    topic: Topic
    parts: tuple[Part, ...]
    rest: str = ""

    @property
    def size(self) -> int:
        """How many things differ in it."""
        heads = sum(isinstance(one, Line) and one.head for one in self.parts)
        return heads or sum(len(one.rows) if isinstance(one, Grid) else isinstance(one, Line) for one in self.parts)


def sections(comparison: Comparison, topics: Collection[Topic] = tuple(Topic)) -> list[Section]:
    """The sections in which something differs (all with ``all=True``), of some topics."""
    return [section for topic in topics if (section := _MAKERS[topic](comparison)).parts]


def _params(of: Comparison) -> Section:
    rows = [(Cell(name), *_values(values, of)) for name, values in of.params.items()]
    return Section(Topic.PARAMETERS, _grid(("parameter", *_labels(of)), rows), _same(of.every_param, rows))


def _metrics(of: Comparison) -> Section:
    pair = len(of.runs) == 2
    rows = []
    for name, one in of.metrics.items():
        cells = list(_values(one.values, of))
        if pair:
            cells.append(_change(one, of.runs[1]))
        else:
            cells = [Cell(cell.text, _judged(one, run, cell.mark)) for run, cell in zip(of.runs, cells, strict=True)]
        rows.append((Cell(name + _arrow(one)), *cells))
    columns = ("metric", *_labels(of), *(("change",) if pair else ()))
    return Section(Topic.METRICS, _grid(columns, rows), _same(of.every_metric, rows))


def _steps(of: Comparison) -> Section:
    rows = [(Cell(name), *(_step(one, run, of.runs[0]) for run in of.runs)) for name, one in of.steps.items()]
    return Section(Topic.STEPS, _grid(("step", *_labels(of)), rows))


def _code(of: Comparison) -> Section:
    parts: list[Part] = []
    runs: dict[tuple[CodeChange, tuple[str, ...]], list[str]] = {}
    for one in of.code:
        runs.setdefault((one.change, one.steps), []).append(_label(of, one.run))
    for (change, steps), labels in runs.items():
        told = ", ".join(labels[:_NAMED]) + (f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
        where = f" (run{'s' * (len(labels) > 1)} {told})" if len(of.runs) > 2 else ""
        parts.append(Line(f"{change.told}, in {', '.join(steps)}{where}"))
        if change.diff:
            parts.append(Diff(change.diff))
    return Section(Topic.CODE, tuple(parts))


def _environment(of: Comparison) -> Section:
    rows = [(Cell(name.removeprefix(_PACKAGE)), *_values(values, of)) for name, values in of.environment.items()]
    return Section(Topic.ENVIRONMENT, _grid(("", *_labels(of)), rows))


def _outputs(of: Comparison) -> Section:
    labels = _labels(of)
    parts: list[Part] = []
    for one in of.artifacts:
        other = _label(of, one.run)
        parts += output_parts(one, (labels[0], other), named=len(of.runs) > 2)
    return Section(Topic.OUTPUTS, tuple(parts))


_MAKERS: Mapping[Topic, Callable[[Comparison], Section]] = {
    Topic.PARAMETERS: _params,
    Topic.METRICS: _metrics,
    Topic.STEPS: _steps,
    Topic.CODE: _code,
    Topic.ENVIRONMENT: _environment,
    Topic.OUTPUTS: _outputs,
}


def _labels(of: Comparison) -> tuple[str, ...]:
    return tuple(one.label for one in of.facts)


def _label(of: Comparison, run: str) -> str:
    return next(one.label for one in of.facts if one.id == run)


def _values(values: Mapping[str, Any], of: Comparison) -> Iterator[Cell]:
    """A cell for each run; those that differ from the first run's are marked."""
    first = values.get(of.runs[0])
    for run in of.runs:
        if run not in values:
            yield Cell("–", CellStyle.FAINT)
            continue
        value = values[run]
        differs = of.runs[0] not in values or not (value == first or (value != value and first != first))  # noqa: PLR0124  # NaN
        yield Cell(shown_value(value), CellStyle.CHANGED if differs else CellStyle.PLAIN)


def _change(metric: Metric, run: str) -> Cell:
    if run not in metric.change:
        return Cell("")
    change, relative = metric.change[run], metric.relative.get(run)
    share = f" ({relative:+.1%})" if relative is not None and abs(relative) < 100 else ""
    verdict = metric.verdict(run)
    mark = {"better": CellStyle.BETTER, "worse": CellStyle.WORSE}.get(verdict, CellStyle.PLAIN)
    sign = "+" if change > 0 else ""
    return Cell(f"{sign}{number(change)}{share} {verdict}".rstrip(), mark)


def _judged(metric: Metric, run: str, mark: CellStyle) -> CellStyle:
    return {"better": CellStyle.BETTER, "worse": CellStyle.WORSE}.get(metric.verdict(run), mark)


def _arrow(metric: Metric) -> str:
    return {"higher": " ↑", "lower": " ↓"}.get(str(metric.better), "")


def _step(one: StepTimes, run: str, first: str) -> Cell:
    if run not in one.states:
        return Cell(f"– (there it is {one.twin})" if one.twin else "–", CellStyle.FAINT)
    state = one.states[run]
    took = f" {duration(one.seconds[run])}" if run in one.seconds else ""
    again = f", attempt {one.attempts[run]}" if one.attempts.get(run, 1) > 1 else ""
    changed = run != first and state != one.states.get(first)
    return Cell(f"{state}{took}{again}", CellStyle.CHANGED if changed else CellStyle.PLAIN)


def _grid(columns: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> tuple[Part, ...]:
    return (Grid(columns, tuple(rows)),) if rows else ()


def _same(every: Mapping[str, Any], rows: Sequence[Any]) -> str:
    rest = len(every) - len(rows)
    return f"{rest} more {'is' if rest == 1 else 'are'} the same" if rest > 0 else ""


__all__ = ["MANY", "Section", "Topic", "sections"]
