"""A run as static HTML for a notebook: no kernel, no script, no style sheet, no trust."""

from __future__ import annotations

from zenbook.core.states import StepState
from zenbook.display.markup import NOTHING, Html
from zenbook.display.run_graph_svg import drawn_edges, run_graph_svg
from zenbook.display.run_text import count, header, stack_and_params, state_and_totals
from zenbook.display.run_view import RunView, StepView
from zenbook.display.svg import image
from zenbook.display.table import cut, number, one_line
from zenbook.display.theme import COLOURS, SIGNS

_MAX_UNFOLDED = 12  # more steps or metrics than this are folded away
_MAX_NAME, _MAX_REASON, _MAX_LINE = 60, 90, 400  # columns
_CELL = "text-align:left;padding:1px 14px 1px 0"


def run_html(view: RunView) -> str:
    """A run as HTML: the header, the picture of its graph, notes, metrics, steps.

    Args:
        view: The run.

    Returns:
        HTML in which all names and texts of the user are escaped.
    """
    parts = [_header(view), _faint(stack_and_params(view))]
    if view.error:
        parts.append(_line(f"{SIGNS[StepState.FAILED]} {view.error}", COLOURS[StepState.FAILED]))
    parts.append(image(run_graph_svg(view), header(view)))
    if len(drawn_edges(tuple(view.steps), view.edges)) < len(view.edges):
        parts.append(_faint(f"Of {len(view.edges)} edges, those that follow from others are not drawn."))
    parts += (
        _line(f"! {step.name}: {note}", COLOURS[StepState.RUNNING])
        for step in view.steps.values()
        for note in step.warnings
    )
    parts += (_metrics(view), _steps(view))
    return str(Html('<div style="line-height:1.5">{}</div>').format(NOTHING.join(parts)))


def _header(view: RunView) -> Html:
    return Html('<div style="margin:2px 0"><span style="color:{}">{}</span> <b>{}</b> <code>{}</code> {}</div>').format(
        COLOURS[view.state], SIGNS[view.state], one_line(view.pipeline), view.run, state_and_totals(view)
    )


def _line(words: str, colour: str) -> Html:
    return Html('<div style="color:{}">{}</div>').format(colour, cut(one_line(words), _MAX_LINE))


def _faint(words: str) -> Html:
    return Html('<div style="opacity:.7">{}</div>').format(words) if words else NOTHING


def _metrics(view: RunView) -> Html:
    metrics = view.metrics
    if not metrics:
        return NOTHING
    pairs = (Html("{} <b>{}</b>").format(one_line(name), number(value)) for name, value in metrics.items())
    return _folded(count(len(metrics), "metric"), Html("<div>{}</div>").format(Html(" · ").join(pairs)), len(metrics))


def _steps(view: RunView) -> Html:
    if not view.steps:
        return NOTHING
    table = Html('<table style="margin:4px 0;border-collapse:collapse"><tbody>{}</tbody></table>').format(
        NOTHING.join(map(_row, view.steps.values()))
    )
    return _folded(count(len(view.steps), "step"), table, len(view.steps))


def _row(step: StepView) -> Html:
    reason = one_line(step.error or step.why)
    short = cut(reason, _MAX_REASON)
    return Html(
        '<tr><td style="{cell}"><span style="color:{colour}">{sign}</span> {name}</td><td style="{cell}">{state}</td>'
        '<td style="{cell};opacity:.7"{title}>{reason}</td></tr>'
    ).format(
        cell=_CELL,
        colour=COLOURS[step.state],
        sign=SIGNS[step.state],
        name=cut(one_line(step.name), _MAX_NAME),
        state=step.state_text,
        title=Html(' title="{}"').format(reason) if short != reason else NOTHING,
        reason=short,
    )


def _folded(title: str, content: Html, size: int) -> Html:
    """The content, behind a title that opens it when there is much of it."""
    if size <= _MAX_UNFOLDED:
        return content
    return Html("<details><summary>{}</summary>{}</details>").format(title, content)
