"""Queries in SQL: what they can read, what they cannot do, and the messages about those that cannot be answered."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import zenbook
from zenbook import ZenbookError, log_metrics, pipeline, step
from zenbook.core.states import RunState
from zenbook.errors import ArtifactError, QueryError, RunError
from zenbook.history.sql.query import schema, sql
from zenbook.history.sql.query_text import bind_expressions
from zenbook.stack.records import RunRecord
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")


@step
def split(n: int = 20) -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "test"]]:
    frame = pd.DataFrame({"x": np.arange(n) * 1.0, "group": ["a", "b"] * (n // 2), "X": 1})
    return frame, frame.iloc[:4].reset_index(drop=True)


@step
def others(
    n: int = 4,
) -> tuple[
    Annotated[np.ndarray, "matrix"],
    Annotated[np.ndarray, "vector"],
    Annotated[pa.Table, "table"],
    Annotated[pl.DataFrame, "frame"],
    Annotated[list, "rows"],
    Annotated[pd.DataFrame, "objects"],
]:
    return (
        np.arange(n * 3.0).reshape(n, 3),
        np.arange(n),
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"a": [1.5, None]}),
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        pd.DataFrame({"a": [1, 2], "when": [pd.Period("2026-01"), pd.Period("2026-02")]}).astype({"when": object}),
    )  # fmt: skip


@step
def fit(train: pd.DataFrame, lr: float = 0.1) -> float:
    log_metrics(accuracy=1 - lr)
    return lr


@pipeline
def training(n: int = 20, lr: float = 0.1) -> Any:
    train, _ = split(n)
    others()
    return fit(train, lr=lr)


@pytest.fixture
def runs() -> list[str]:
    return [training(lr=lr).id for lr in (0.1, 0.2, 0.3)]


def test_parameters_and_metrics_are_columns(runs: list[str]) -> None:
    rows = sql("select id, params.lr, metrics.accuracy from runs where metrics.accuracy > 0.75 order by params.lr")
    assert rows["id"] == runs[:2]
    assert rows[0] == {"id": runs[0], "lr": 0.1, "accuracy": 0.9}
    assert rows.columns == ["id", "lr", "accuracy"]
    assert len(rows) == len(rows.df()) == rows.pl().height == rows.arrow().num_rows == 2
    assert "accuracy" in repr(rows)
    assert "<table" in rows._repr_html_()


def test_parameters_of_the_query_are_bound(runs: list[str]) -> None:
    assert sql("select id from runs where id = ?", [runs[1]])["id"] == [runs[1]]
    assert sql("select $x as x", {"x": "'; drop table runs; --"})["x"] == ["'; drop table runs; --"]
    with pytest.raises(QueryError, match="x"):
        sql("select $x")


def test_a_stored_frame_is_a_relation(runs: list[str]) -> None:
    rows = sql("select t.x, params.lr from artifact('latest', 'split', 'test') as t join runs on id = $id order by x",
                {"id": runs[2]})  # fmt: skip
    assert rows["x"] == [0.0, 1.0, 2.0, 3.0]
    assert set(rows["lr"]) == {0.3}
    assert sql("from artifact($run, 'split', 'train') where x >= $x", {"run": runs[0], "x": 18})["x"] == [18.0, 19.0]
    assert sql("from artifact(?, 'split', 'train') where x >= ?", [runs[0], 19])["group"] == ["b"]
    assert sql("describe from artifact('training', 'split', 'train')")["column_name"] == ["x", "group", "X_2"]


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        ("matrix", [{"c0": 9.0, "c1": 10.0, "c2": 11.0}]),
        ("vector", [{"value": 3}]),
        ("table", [{"a": 2, "b": None}]),
        ("frame", [{"a": None}]),
        ("rows", [{"a": 2, "b": "y"}]),
    ],
)
def test_arrays_tables_and_lists_of_dicts_are_relations(runs: list[str], output: str, rows: list[Any]) -> None:
    result = sql(f"select * from artifact('latest', 'others', '{output}')")
    assert [result[-1]] == rows


def test_artifacts_of_many_runs_have_a_column_run(runs: list[str]) -> None:
    rows = sql("select run, count(*) as n from artifacts_of('training', 'split', 'train') group by run order by run")
    assert (rows["run"], rows["n"]) == (sorted(runs), [20, 20, 20])


def test_a_call_in_a_text_or_comment_is_ignored(runs: list[str]) -> None:
    assert sql("select 'artifact(''x'')' as t -- artifact('latest')")["t"] == ["artifact('x')"]
    assert sql("/* ärtifact( */ select count(*) as n from Artifact('latest', 'split', 'test')")["n"] == [4]


def test_an_artifact_whose_file_was_changed_is_refused(runs: list[str]) -> None:
    stack = open_stack()
    path = stack.artifacts.local_path(zenbook.find_run("latest").steps["split"].outputs["test"].record.address)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-8] + b"12345678")
    with pytest.raises(ArtifactError, match="not what was stored"):
        sql("from artifact('latest', 'split', 'test')")


@pytest.mark.parametrize(
    "query",
    [
        "insert into runs values (1)",
        "create table t as select 1",
        "drop view runs",
        "attach 'x.duckdb'",
        "copy (select 1) to 'x.csv'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma version",
        "call pragma_version()",
        "select 1; drop view runs",
        "with t as (insert into newer.outdated values ('x') returning *) select * from t",
        "select * from read_csv('secret.csv')",
        "select * from read_text('secret.csv')",
        "select * from 'secret.csv'",
        "select * from glob('*')",
        "select * from 'https://example.com/x.parquet'",
        "from parquet_scan('secret.csv')",
    ],
)
def test_a_query_only_reads_and_reaches_no_file(runs: list[str], query: str) -> None:
    Path("secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError):
        sql(query)
    assert len(sql("from runs")) == 3
    assert not Path("x.csv").exists()
    assert not Path("x.duckdb").exists()


def test_files_are_read_if_the_user_allows_it(runs: list[str]) -> None:
    Path("more.csv").write_text("a\n1\n2\n")
    assert sql("select sum(a)::int as s from 'more.csv'", allow_files=True)["s"] == [3]
    with pytest.raises(QueryError):
        sql("copy (select 1) to 'x.csv'", allow_files=True)
    with pytest.raises(QueryError):
        sql("from 'more.csv'")


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("select params.lrr\nfrom runs", "No run has a parameter or metric 'lrr'", "params.lr"),
        ("select 1,\n  metrics.acuracy from runs", "LINE 2:   metrics.acuracy", "metrics.accuracy"),
        ("select * from rnus", "Unknown view 'rnus'", "'runs'"),
        ("select pipelin from runs", "Unknown column 'pipelin'", "'pipeline'"),
        ("selec 1", "LINE 1: selec 1\n        ^", ""),
        ("select 1,\n state.x from runs", "LINE 2:  state.x from runs", ""),
        ("select *\nfrom runs limit 'some'", "LINE 2: from runs limit 'some'", ""),
        (
            "select pipeline + 1 from runs",
            "+ cannot be applied to VARCHAR and INTEGER",
            "try_cast(params.name as double)",
        ),
        ("from artifact('latest', 'split', 'tets')", "has no output 'tets'", "'test'"),
        ("from artifact('latest', 'split')", "takes three text arguments", "artifact(run, step, output)"),
        ("from artifact('latest', 'fit', 'output')", "its type is float", "Frames"),
        ("from artifacts_of('training', 'split', 'tets')", "has an output split.tets", "split.test"),
        ("from artifacts_of('nothing', 'split', 'test')", "No run of 'nothing'", "zen runs"),
    ],
)
def test_errors_point_at_the_place_and_suggest_near_names(runs: list[str], query: str, message: str, hint: str) -> None:
    with pytest.raises((QueryError, RunError)) as caught:
        sql(query)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_schema_names_every_column_with_its_type(runs: list[str]) -> None:
    columns_of: dict[str, list[tuple[object, object]]] = {}
    view = ""
    for row in schema():
        view = str(row["view"] or view)
        if row["column"]:
            columns_of.setdefault(view, []).append((row["column"], str(row["type"]).partition("(")[0]))
    for name, columns in columns_of.items():
        described = sql(f"describe {name}")
        kinds = [str(kind).partition("(")[0] for kind in described["column_type"]]
        assert list(zip(described["column_name"], kinds, strict=True)) == columns
    assert set(columns_of) == {"runs", "steps", "params", "metrics", "artifacts", "edges", "code", "logs"}


# --- expressions of the notebook --------------------------------------------------------------------------------------


def test_expressions_become_parameters() -> None:
    text, values = bind_expressions(
        "where a > {{x}} and b = {{ {'k': {'n': 2}}['k']['n'] }} -- {{no}}", {"x": np.float64(3)}
    )
    assert text == "where a > $value_1 and b = $value_2 -- {{no}}"
    assert values == {"value_1": 3.0, "value_2": 2}
    assert type(values["value_1"]) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("where id = '{{x}}'", "within quotes"),
        ("where id = {{1 +}}", "Invalid Python expression"),
        ("where id = {{y}}", "NameError"),
    ],
)
def test_an_expression_that_cannot_be_bound_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        bind_expressions(text, {"x": 1})


# --- lists of runs ----------------------------------------------------------------------------------------------------


def test_runs_are_listed_by_a_condition_in_an_order(runs: list[str]) -> None:
    listed = zenbook.runs(where="metrics.accuracy > 0.75 and params.lr < 0.3", order_by="-metrics.accuracy")
    assert [run.id for run in listed] == runs[:2]
    assert [run.id for run in zenbook.runs(order_by="params.lr", limit=1)] == runs[:1]
    assert zenbook.runs(order_by="params.lr", limit=1).more
    assert [run.id for run in zenbook.runs("training", where="true", state="succeeded")] == runs[::-1]
    assert not zenbook.runs("other", where="true")
    for bad in ("1=1) or (1=1", "", "1=1 -- x", "true; drop view runs"):
        with pytest.raises(QueryError):
            zenbook.runs(where=bad)


def test_best_finds_the_best_run(runs: list[str]) -> None:
    assert zenbook.best("training", "accuracy").id == runs[0]
    assert zenbook.best("training", "accuracy", lower=True).id == runs[2]
    zenbook.metric_goal("accuracy", "lower")
    assert zenbook.best("training", "accuracy").id == runs[2]
    assert zenbook.best("training", "accuracy", lower=False).id == runs[0]
    zenbook.metric_goal("accuracy", "higher")
    assert zenbook.best("training", "accuracy", where="params.lr > 0.1").id == runs[1]
    assert zenbook.best("training", "accuracy").steps["split"].outputs["test"].load().shape == (4, 3)
    with pytest.raises(QueryError, match="acc"):
        zenbook.best("training", "acc")
    with pytest.raises(RunError, match="No run of 'none'"):
        zenbook.best("none", "accuracy")


def test_marks_are_columns_of_runs(runs: list[str]) -> None:
    first = zenbook.find_run(runs[0]).tag("baseline", "größer 🚀").note("the first").star()
    zenbook.find_run(runs[1]).tag("baseline")
    assert sql("select id from runs where list_contains(tags, 'baseline') and starred")["id"] == [first.id]
    assert sql("select note, tags from runs where id = ?", [first.id])[0] == {
        "note": "the first", "tags": ["baseline", "größer 🚀"],
    }  # fmt: skip
    first.untag("baseline").unstar().note("")
    assert (first.marks.tags, first.marks.note, first.marks.starred) == (("größer 🚀",), "", False)
    assert not sql("select id from runs where starred or note <> ''")
    for bad in ("", "x" * 65, "a\nb"):
        with pytest.raises(RunError, match="is not a valid tag"):
            first.tag(bad)
    with pytest.raises(RunError, match="has no tag 'none'"):
        first.untag("none")


def test_a_damaged_mirror_is_built_again(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zenbook.history.sql.mirror.mirror.MIN_CHANGED_RUNS", 1)
    training(lr=0.4)
    training(lr=0.5)
    assert len(sql("from runs")) == 5
    for path in (open_stack().workspace.home / "mirror").glob("*.duckdb"):
        data = bytearray(path.read_bytes())
        data[4096 * 3 :] = b"\xaa" * (len(data) - 4096 * 3)
        path.write_bytes(data)
    assert len(sql("from runs")) == 5
    assert len(sql("from metrics")) == 10


def test_a_run_whose_process_is_gone_has_crashed(runs: list[str]) -> None:
    stack = open_stack()
    gone = RunRecord(
        "20260101-000000-gone", "training", "default", RunState.RUNNING, 1.0, 1.0,
        host=socket.gethostname(), process="999999:1",
    )  # fmt: skip
    stack.metadata.create_run(gone, steps=[], params=[], code=[], environment=None)
    assert sql("select state from runs where id = ?", [gone.id])["state"] == ["crashed"]


def test_threads_query_at_the_same_time(runs: list[str]) -> None:
    failures: list[BaseException] = []

    def query() -> None:
        try:
            for _ in range(5):
                assert len(sql("from artifact('latest', 'split', 'train')")) == 20
        except (ZenbookError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=query) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
