import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.notebook.kernels import Kernel
from zenbook.core.states import RunState
from zenbook.notebook.panels.history_rows import PAGE, Newest, RunFilter, page, rows_of
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Batch, MetricRecord, ParamRecord, RunRecord, RunUpdate
from zenbook.stack.stack import open_stack


@pytest.fixture
def metadata(workspace: Path) -> MetadataStore:
    assert workspace.exists()
    return open_stack().metadata


def put(metadata: MetadataStore, at: int, state: RunState = RunState.SUCCEEDED, pipeline: str = "training") -> str:
    ended = 1000.0 + at if state.ended else None
    run = RunRecord(f"20260101-{at:06}-aaaa00", pipeline, "default", state, 990.0, 990.0, ended, host="elsewhere")
    params = [ParamRecord(run.id, "", "lr", "0.5"), ParamRecord(run.id, "fit", "inner", "1")]
    metadata.create_run(run, steps=(), params=params, code=(), environment=None)
    return run.id


def test_a_page_has_the_newest_runs_and_says_whether_there_are_older_ones(metadata: MetadataStore) -> None:
    ids = [put(metadata, at) for at in range(PAGE + 5)]
    first, more = page(open_stack(), RunFilter())
    assert [one.id for one in first] == ids[:4:-1]
    assert more
    second, more = page(open_stack(), RunFilter(), first[-1].id)
    assert [one.id for one in second] == ids[4::-1]
    assert not more


def test_a_row_has_the_runs_own_parameters_and_last_metrics_as_plain_json(metadata: MetadataStore) -> None:
    run = put(metadata, 1)
    values = [MetricRecord(run, "fit", "loss", n, value, 1.0) for n, value in enumerate((0.5, 0.25))]
    metadata.write(Batch(metrics=[*values, MetricRecord(run, "fit", "broken", 0, math.nan, 1.0)]))
    (row,) = rows_of(metadata, page(open_stack(), RunFilter())[0])
    assert row["values"] == {"p:lr": 0.5, "m:loss": 0.25, "m:broken": "NaN"}
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_only_what_changed_is_told(metadata: MetadataStore) -> None:
    done = put(metadata, 1)
    newest = Newest(RunFilter())
    told = newest.look(open_stack())
    assert told is not None
    assert told["ids"] == [done]
    assert newest.look(open_stack()) is None
    running = put(metadata, 2, RunState.RUNNING)
    told = newest.look(open_stack())
    assert told is not None
    assert [one["id"] for one in told["rows"]] == [running]
    metadata.write(Batch(metrics=[MetricRecord(running, "fit", "loss", 0, 0.5, 1.0)]))
    told = newest.look(open_stack())
    assert told is not None
    assert [one["values"]["m:loss"] for one in told["rows"]] == [0.5]
    assert "ids" not in told
    metadata.write(Batch(runs=[RunUpdate(running, RunState.FAILED, 990.0, 995.0, "ValueError: no")]))
    told = newest.look(open_stack())
    assert told is not None
    assert [(one["state"], one["error"]) for one in told["rows"]] == [("failed", "ValueError: no")]
    assert newest.look(open_stack()) is None
    metadata.delete_runs([done])
    told = newest.look(open_stack())
    assert told is not None
    assert told["ids"] == [running]


def test_a_run_that_goes_on_is_followed_when_a_page_of_newer_ones_has_begun(metadata: MetadataStore) -> None:
    slow = put(metadata, 1, RunState.RUNNING)
    newest = Newest(RunFilter())
    newest.look(open_stack())
    for at in range(PAGE + 1):
        put(metadata, 10 + at)
    newest.look(open_stack())
    metadata.write(Batch(runs=[RunUpdate(slow, RunState.SUCCEEDED, 990.0, 999.0)]))
    told = newest.look(open_stack())
    assert told is not None
    assert [(one["id"], one["state"]) for one in told["rows"]] == [(slow, "succeeded")]
    assert newest.look(open_stack()) is None


def test_a_run_that_is_no_longer_as_was_wanted_is_gone(metadata: MetadataStore) -> None:
    put(metadata, 1, pipeline="scoring")
    running = put(metadata, 2, RunState.RUNNING)
    newest = Newest(RunFilter.from_message({"state": "running", "pipeline": "training"}))
    told = newest.look(open_stack())
    assert told is not None
    assert told["ids"] == [running]
    assert told["wanted"] == {"pipeline": "training", "state": "running", "where": "", "order": ""}
    metadata.write(Batch(runs=[RunUpdate(running, RunState.SUCCEEDED, 990.0, 999.0)]))
    told = newest.look(open_stack())
    assert told is not None
    assert (told["ids"], told["gone"]) == ([], [running])


def test_a_state_that_there_is_not_filters_nothing() -> None:
    assert RunFilter.from_message({"state": "lost", "pipeline": ""}) == RunFilter()
    assert replace(RunFilter(), pipeline="x").query(limit=3).limit == 3


def test_where_there_are_no_widgets_the_history_is_the_table_of_runs(k: Kernel) -> None:
    k.run(
        "import zenbook\n@zenbook.step\ndef one(x: int = 4):\n    return x\n@zenbook.pipeline\ndef small():\n    one()\nrun = small()"
    )
    shown = k.run("%zen panel runs").of("display")
    assert len(shown) == 1
    assert set(shown[0]["data"]) == {"text/html", "text/plain"}
    assert "small" in shown[0]["data"]["text/plain"]
