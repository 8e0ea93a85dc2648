import base64
import html.parser
import json
import re

import pytest

from zenbook.core.events import Logged, Measured, RunFinished, RunStarted, StepFinished, StepRetried, StepStarted
from zenbook.core.graph import Graph, Input, Node, OutputRef, StepKind
from zenbook.core.states import RunState, StepState
from zenbook.display.run_html import run_html
from zenbook.display.run_text import header, run_text
from zenbook.display.run_view import RunView
from zenbook.stack.records import MetricRecord, ParamRecord, RunRecord, StepRecord

RUN = "20261123-052055-k3f9a"


def chain_graph(*names):
    return Graph(
        tuple(
            Node(
                name, name, StepKind.FUNCTION, ("output",),
                inputs={"x": Input((OutputRef(names[at - 1], "output"),))} if at else {},
            )
            for at, name in enumerate(names)
        )
    )  # fmt: skip


def finished(name, state=StepState.SUCCEEDED, start=1.0, took=0.5, **more):
    return StepFinished(RUN, name, state, 1, start, at=start + took, **more)


@pytest.fixture
def view():
    return RunView.of_graph(chain_graph("load", "split", "fit"), RUN, "training", "prod", {"lr": 0.3})


def after_events(view, *events):
    for event in events:
        view.on_event(event)
    return view


def test_a_new_view_is_pending_with_the_graphs_steps_and_edges(view):
    assert list(view.steps) == ["load", "split", "fit"]
    assert view.edges == (("load", "split"), ("split", "fit"))
    assert header(view) == f"training {RUN} pending · 3 steps: 3 pending"


def test_a_run_that_succeeds(view):
    after_events(
        view,
        RunStarted(RUN, at=1.0),
        finished("load", StepState.CACHED, why="nothing changed"),
        StepStarted(RUN, "split", why="its source changed", at=1.0),
        finished("split", metrics=(("rows", 500.0),)),
        StepStarted(RUN, "fit", at=1.5),
        Measured(RUN, "fit", "loss", 0.5),
        Measured(RUN, "fit", "loss", 0.25),
        Logged(RUN, "fit", "stdout", "hello"),
        finished("fit", took=0.012, notes=("draws numbers unseeded",)),
        RunFinished(RUN, RunState.SUCCEEDED, at=2.2),
    )
    assert run_text(view).splitlines() == [
        f"training {RUN} succeeded in 1.2 s · 3 steps: 2 ran, 1 cached",
        "  ↺ load   cached",
        "  ✓ split  succeeded      500 ms",
        "  ✓ fit    succeeded       12 ms",
        "      note: draws numbers unseeded",
        "  rows 500 · loss 0.25",
    ]
    assert view.metrics == {"rows": 500.0, "loss": 0.25}
    assert view.steps["split"].why == "its source changed"


def test_a_run_that_fails_says_why(view):
    after_events(
        view,
        RunStarted(RUN, at=0.0),
        StepStarted(RUN, "load", at=0.0),
        StepRetried(RUN, "load", 1, "OSError: no", 1.0),
        StepStarted(RUN, "load", attempt=2, at=2.0),
        StepFinished(RUN, "load", StepState.FAILED, 2, None, error="OSError: <no>", at=3.0),
        StepFinished(RUN, "split", StepState.SKIPPED),
        StepFinished(RUN, "fit", StepState.SKIPPED),
        RunFinished(RUN, RunState.FAILED, "OSError: <no>", at=185.0),
    )
    assert header(view) == f"training {RUN} failed after 3 min 05 s · 3 steps: 1 failed, 2 skipped"
    assert "  ✗ OSError: <no>" in run_text(view).splitlines()
    assert "attempt 2" in run_text(view)
    assert view.steps["load"].duration == 3.0, "all attempts count"
    assert "OSError: &lt;no&gt;" in run_html(view)


def test_while_it_runs_the_header_shows_for_how_long(view, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 13.0)
    after_events(view, RunStarted(RUN, at=1.0), StepStarted(RUN, "load", at=1.0))
    assert header(view) == f"training {RUN} running for 12 s · 3 steps: 1 running, 2 pending"


def test_an_event_that_comes_twice_or_for_another_run_changes_nothing(view):
    events = [
        RunStarted(RUN, at=1.0), StepStarted(RUN, "load", at=1.0), Measured(RUN, "load", "a", 1.0), finished("load"),
    ]  # fmt: skip
    once = run_text(after_events(view, *events, RunFinished(RUN, RunState.SUCCEEDED, at=2.0)))
    assert run_text(after_events(view, RunFinished(RUN, RunState.SUCCEEDED, at=2.0), *events[2:])) == once
    assert run_text(after_events(view, RunFinished("other", RunState.FAILED), StepStarted("other", "fit"))) == once


def test_a_metric_of_two_steps_gets_the_steps_name(view):
    after_events(
        view, Measured(RUN, "load", "rows", 5.0), Measured(RUN, "split", "rows", 4.0), Measured(RUN, "fit", "auc", 1.0)
    )
    assert view.metrics == {"load.rows": 5.0, "split.rows": 4.0, "auc": 1.0}


def test_records_give_the_same_view_as_the_events(view):
    after_events(
        view,
        RunStarted(RUN, at=1.0),
        finished("load", StepState.CACHED),
        finished("split", metrics=(("rows", 500.0),), why="first run"),
        StepFinished(RUN, "fit", StepState.FAILED, 1, 1.5, error="ValueError: x", at=1.6),
        RunFinished(RUN, RunState.FAILED, "ValueError: x", at=2.2),
    )
    recorded = RunView.of_records(
        RunRecord(RUN, "training", "prod", RunState.FAILED, 0.9, 1.0, 2.2, "ValueError: x"),
        [
            StepRecord(RUN, "fit", 2, StepState.FAILED, attempt=1, started_at=1.5, ended_at=1.6, error="ValueError: x"),
            StepRecord(RUN, "load", 0, StepState.CACHED, attempt=1, started_at=1.0, ended_at=1.5),
            StepRecord(RUN, "split", 1, StepState.SUCCEEDED, attempt=1, started_at=1.0, ended_at=1.5, why="first run"),
            StepRecord("other", "fit", 0, StepState.FAILED),
        ],
        [MetricRecord(RUN, "split", "rows", 0, 500.0, 1.5)],
        [ParamRecord(RUN, "", "lr", "0.3"), ParamRecord(RUN, "fit", "lr", "0.3")],
        [("load", "split"), ("split", "fit"), ("gone", "fit")],
    )
    assert recorded == view
    assert run_html(recorded) == run_html(view)


class Tags(html.parser.HTMLParser):
    VOID = ("img",)

    def __init__(self, source):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(source)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_static_and_needs_no_trust(view):
    source = run_html(after_events(view, RunStarted(RUN, at=1.0), RunFinished(RUN, RunState.SUCCEEDED, at=2.0)))
    tags = Tags(source)
    assert {tag for tag, _ in tags.seen} <= {"div", "span", "b", "code", "img", "table", "tbody", "tr", "td"}
    (image,) = [attributes for tag, attributes in tags.seen if tag == "img"]
    head, code = image["src"].split(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(code).startswith(b"<svg")
    assert "succeeded in 1.0 s" in image["alt"]
    assert not re.search(r"https?://", source)


def test_html_shows_params_stack_notes_and_reasons_escaped():
    view = RunView.of_graph(chain_graph("<u>&"), RUN, "<i>", "st<ck", {"q": "<a href='x'>", "long": "y" * 500})
    view.on_event(finished("<u>&", why="its <source> changed", notes=("<note>",)))
    source = run_html(view)
    Tags(source)
    for unsafe in ("<i>", "<u>&", "<a ", "<source>", "<note>", "st<ck", "y" * 100):
        assert unsafe not in source
    for there in ("&lt;note&gt;", "its &lt;source&gt; changed", "st&lt;ck", "q = "):
        assert there in source


@pytest.mark.parametrize(("count", "folded"), [(12, False), (13, True)])
def test_many_steps_are_folded_away(count, folded):
    view = RunView.of_graph(chain_graph(*(f"s{at}" for at in range(count))), RUN, "training")
    assert (f"<details><summary>{count} steps</summary>" in run_html(view)) is folded
    Tags(run_html(view))


def test_odd_names_can_be_sent_to_a_notebook():
    view = RunView.of_graph(chain_graph("\ud800", "\x00", "a\nb"), RUN, "p\x1b")
    run_html(view).encode()
    assert json.loads(json.dumps(run_text(view)))
    assert len(run_text(view).splitlines()) == 4


def test_a_run_without_steps():
    view = RunView.of_graph(Graph(()), RUN, "training")
    assert run_text(view) == f"training {RUN} pending · no steps"
    Tags(run_html(view))
