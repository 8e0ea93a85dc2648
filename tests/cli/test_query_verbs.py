"""The verbs that ask the history and mark runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scripts import run_zen
from zenbook import cli, find_run, log_metrics, pipeline, step
from zenbook.display.table import Table
from zenbook.errors import QueryError, RunError
from zenbook.history.sql.query import QueryResult

pytestmark = pytest.mark.usefixtures("workspace")


@step
def fit(lr: float = 0.1) -> None:
    log_metrics(accuracy=1 - lr)


@pipeline
def training(lr: float = 0.1) -> None:
    fit(lr)


@pytest.fixture
def runs() -> list[str]:
    return [training(lr=lr).id for lr in (0.1, 0.2, 0.3)]


def zen(*words: str) -> Any:
    return cli.invoke(words)


def test_sql_gives_a_result_and_its_schema_a_table(runs: list[str]) -> None:
    found = zen("sql", "select id from runs where params.lr < $most::double order by id", "-p", "most=0.25")
    assert isinstance(found, QueryResult)
    assert found["id"] == runs[:2]
    assert isinstance(zen("sql", "--schema"), Table)
    with pytest.raises(QueryError, match="No query given"):
        zen("sql")
    with pytest.raises(QueryError, match="has no value"):
        zen("sql", "select 1", "-p", "x")


def test_sql_in_a_shell_prints_rows_and_explains_mistakes(runs: list[str], workspace: Path) -> None:
    done = run_zen(workspace, "sql", "select count(*) as n from runs")
    assert (done.returncode, done.stdout.split()) == (0, ["1", "row", "n", "3"])
    failed = run_zen(workspace, "sql", "select pipelin from runs")
    assert failed.returncode == 1
    assert "Did you mean 'pipeline'?" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_runs_are_listed_by_a_condition(runs: list[str]) -> None:
    found = zen("runs", "--where", "metrics.accuracy > 0.75", "--order-by", "-params.lr")
    assert [one.id for one in found] == runs[1::-1]
    assert [one.id for one in zen("runs", "--order-by=-metrics.accuracy", "-n", "1")] == runs[:1]


def test_runs_are_tagged_noted_and_starred(runs: list[str]) -> None:
    assert zen("tag", runs[0], "baseline", "old") == f"Run {runs[0]} has baseline, old."
    assert zen("tag", runs[0], "old", "--remove") == f"Run {runs[0]} has baseline."
    assert zen("note", "latest") == "(no note)"
    assert zen("note", "latest", "too", "slow") == "too slow"
    assert zen("star", "latest") == f"Run {runs[2]} has a star."
    assert (find_run("latest").marks.note, find_run("latest").marks.starred) == ("too slow", True)
    assert zen("star", "latest", "--remove") == f"Run {runs[2]} has no star."
    assert zen("note", "latest", "--remove") == "(no note)"
    with pytest.raises(RunError, match="has no tag 'x'"):
        zen("tag", "latest", "x", "--remove")


def test_what_asks_no_question_in_sql_imports_no_duckdb(runs: list[str]) -> None:
    """It takes 50 ms and 40 MB."""
    program = (
        "import sys, zenbook; repr(zenbook.runs()); zenbook.find_run('latest').tag('x'); print('duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
