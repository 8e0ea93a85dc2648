"""How explanations show themselves: a sentence for each step, the diffs of edited code once below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zenbook.display.diff import diff_html, one_line_of_code, with_code
from zenbook.display.markup import NOTHING, Html
from zenbook.display.table import Table
from zenbook.display.theme import COLOURS, SIGNS
from zenbook.history.cache_explanation import Change, Explanation

if TYPE_CHECKING:
    import pandas as pd


class Why:
    """Why the steps of a run ran or were served from the cache; `steps` holds one `Explanation` for each."""

    def __init__(self, run: str, steps: Sequence[Explanation]) -> None:
        self.run = run
        self.steps = {one.step.name: one for one in steps}

    @property
    def table(self) -> Table:
        """One row a step."""
        rows = [(name, str(one.step.state), _told(one)) for name, one in self.steps.items()]
        return Table(f"Why the steps of run {self.run} ran", ("step", "state", "why"), rows, wide_last=True)

    def df(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        return self.table.df()

    def __getitem__(self, step: str) -> Explanation:
        return self.steps[step]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        lines = [repr(self.table)]
        for title, diff in self._diffs():
            lines += ["", title, *_diff(diff)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        diffs = NOTHING.join(
            Html('<div style="margin-top:6px">{}</div>{}').format(with_code(title), diff_html(diff))
            for title, diff in self._diffs()
        )
        below = Html('<div style="line-height:1.5">{}</div>').format(diffs) if diffs else NOTHING
        return self.table._repr_html_() + str(below)

    def _diffs(self) -> Iterator[tuple[str, str]]:
        """Each edited part once, with the steps that reach it."""
        steps: dict[Change, list[str]] = {}
        for name, one in self.steps.items():
            for change in one.changes if not one.step.why else ():
                if change.diff:
                    steps.setdefault(change, []).append(name)
        return ((f"{change.told} ({', '.join(names)})", change.diff) for change, names in steps.items())


def step_text(one: Explanation) -> str:
    """One step's explanation with its diffs."""
    lines = [f"{one.step.name} {one.step.state}: {one.reason}"]
    for change in _with_diffs(one):
        lines += [f"  {change.told}", *_diff(change.diff)]
    if one.nearest_told:
        lines.append(f"  {one.nearest_told}")
        lines += (line for change in _of_nearest(one) for line in _diff(change.diff))
    return "\n".join(lines)


def step_html(one: Explanation) -> str:
    """The same as HTML."""
    state = one.step.state
    parts = [
        Html('<div><span style="color:{}">{}</span> <b>{}</b> {}: {}</div>').format(
            COLOURS[state], SIGNS[state], one.step.name, state, with_code(one.reason)
        )
    ]
    parts += (
        Html("<div>{}</div>{}").format(with_code(change.told), diff_html(change.diff)) for change in _with_diffs(one)
    )
    if one.nearest_told:
        parts.append(Html('<div style="opacity:.8">{}</div>').format(with_code(one.nearest_told)))
        parts += (diff_html(change.diff) for change in _of_nearest(one))
    return str(Html('<div style="line-height:1.5">{}</div>').format(NOTHING.join(parts)))


def _with_diffs(one: Explanation) -> list[Change]:
    return [] if one.step.why else [change for change in one.changes if change.diff]


def _of_nearest(one: Explanation) -> list[Change]:
    """What was edited since the nearest run, unless it was shown already."""
    changes = one.nearest.changes if one.nearest is not None else ()
    return [change for change in changes if change.diff and change not in _with_diffs(one)]


def _told(one: Explanation) -> str:
    return f"{one.reason} ({one.nearest_told})" if one.nearest_told else one.reason


def _diff(text: str) -> list[str]:
    return [f"    {one_line_of_code(line)}" for line in text.splitlines()]
