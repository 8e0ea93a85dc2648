"""What Tab offers within SQL."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pytest

from zenbook import log_metrics, pipeline, step
from zenbook.errors import StoreError
from zenbook.history.sql.mirror import Mirror
from zenbook.history.sql.query_text import find_open_part
from zenbook.history.sql.sql_completion import completions

pytestmark = pytest.mark.usefixtures("workspace")


@step
def split(n: int = 4) -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "test"]]:
    frame = pd.DataFrame({"area": range(n), "a name": 1})
    return frame, frame


@step
def fit(train: pd.DataFrame, lr: float) -> Annotated[float, "score"]:
    log_metrics({"val loss": 0.5, "accuracy": 0.9})
    return lr


@pipeline
def training(lr: float = 0.1):
    train, _ = split()
    fit(train, lr=lr)


@pytest.fixture
def run() -> str:
    return training().id


@pytest.mark.parametrize(
    ("before", "after", "offered"),
    [
        ("select params.l", " from runs", ["lr"]),
        ("select r.metrics.acc", "\nfrom runs as r", ["accuracy"]),
        ("select metrics.v", "", ['"val loss"']),
        ('select metrics."v', "", ['"val loss"']),
        ("select runs.st", "", ["state", "started_at", "stack", "starred"]),
        ("select s.pos", " from runs r join steps s on s.run = r.id", ["position"]),
        ("select pos", " from steps", ["position"]),
        ("select fing", " from runs", []),
        ("select * from art", "", ["artifact(", "artifacts", "artifacts_of("]),
        ("select * from runs join e", "", ["edges"]),
        ("SELECT PIPE", " FROM RUNS", ["pipeline"]),
        ("select t.ar", " from artifact('latest', 'split', 'test') t", ["area"]),
        ("select a_", " from artifact('training', 'split', 'test') a_b", ["a_b"]),
        ("select \"a", " from artifact('training', 'split', 'test')", ['"a name"']),
        ("from artifact('lat", "", ["latest"]),
        ("from artifact('latest', 's", "", ["split"]),
        ("from artifact('latest', 'split', 't", "", ["test", "train"]),
        ("from artifact({{best.id}}, 'fit', '", "", ["score"]),
        ("from artifact($run, 'fit', '", "", ["score"]),
        ("from artifacts_of('tr", "", ["training"]),
        ("select x.run, x.ar", " from artifacts_of('training', 'split', 'train') as x", ["area"]),
        ("from artifact('nothing', '", "", []),
        ("select 'pipe", "", []),
        ("select 1 -- pipe", "", []),
        ("select 1 where id = {{pipe", "", []),
        ("select metrics.\"val loss\"", "", []),
        ("select nothing.pipe", "", []),
    ],
)  # fmt: skip
def test_names_are_completed_by_what_the_query_reads(run: str, before: str, after: str, offered: list[str]) -> None:
    completion = completions(before, after)
    assert list(completion.values) == offered
    assert before.endswith(completion.part)


def test_the_ids_of_runs_are_offered_whole(run: str) -> None:
    completion = completions(f"from artifact('{run[:12]}")
    assert (completion.part, completion.values) == (run[:12], (run,))


def test_tab_offers_nothing_if_the_store_is_away(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Mirror) -> None:
        raise StoreError("away")

    monkeypatch.setattr(Mirror, "cursor", away)
    assert completions("select params.zz").values == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", ""), ("a 'b'", ""), ("a 'b", "'"), ("a 'it''s", "'"), ('a "b', '"'), ("a -- 'b", "comment"), ("a /* b", "comment"),
     ("a -- b\nc", ""), ("{{a", "expression"), ("{{a}} b", ""), ("'{{a", "'"), ("'{{' b", "")],
)  # fmt: skip
def test_what_is_open_at_the_end_of_a_text(text: str, kind: str) -> None:
    assert find_open_part(text)[0] == kind
