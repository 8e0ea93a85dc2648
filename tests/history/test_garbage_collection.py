"""Deleting runs and collecting garbage: nothing that a run refers to is lost, and what nobody has any more goes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.scripts import SLOW, Started, write_script
from zenbook import find_run, pipeline, step
from zenbook.core.states import RunState
from zenbook.errors import ArtifactError, RunError, StoreError
from zenbook.history.garbage_collection import Garbage, collect_garbage, delete_runs
from zenbook.stack.records import ArtifactRecord, Batch, OutputRecord, RunRecord
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")


@step
def numbers(n: int = 3) -> list[int]:
    return [*range(n)]


@step
def total(values: list[int]) -> int:
    return sum(values)


@pipeline
def adding(n: int = 3) -> None:
    total(numbers(n))


def files() -> set[str]:
    return {file.address for file in open_stack().artifacts.listing()}


def stored(text: str, *, formats: tuple[str, ...] = ("text",), age: float = 7200.0) -> str:
    """An artifact that no run uses."""
    stack = open_stack()
    written = stack.artifacts.put_bytes(text.encode(), suffix=".txt")
    at = time.time() - age
    os.utime(stack.artifacts.local_path(written.address), (at, at))
    rows = [ArtifactRecord(written.digest, name, written.address, written.size, at) for name in formats]
    stack.metadata.write(Batch(artifacts=rows))
    return written.address


def addresses(garbage: Garbage) -> list[str]:
    return [item.address for item in garbage]


# --- garbage ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_lists_unused_artifacts_and_deletes_nothing() -> None:
    adding()
    small, large = stored("small"), stored("large" * 100)
    garbage = collect_garbage()
    assert addresses(garbage) == [large, small]
    assert (garbage.bytes, garbage.freed, garbage.deleted) == (505, 0, False)
    assert {small, large} <= files()
    assert "2 artifacts that no run uses" in repr(garbage)
    assert "nothing is deleted yet, zen gc --delete frees 505 B" in repr(garbage)
    assert small in garbage._repr_html_()
    assert list(garbage.df()["bytes"]) == [500, 5]


def test_deleting_keeps_all_artifacts_that_runs_use() -> None:
    run = adding()
    before = files()
    garbage = stored("garbage")
    done = collect_garbage(delete=True)
    assert (addresses(done), done.freed) == ([garbage], 7)
    assert repr(done).startswith("Deleted 1 artifact from files in")
    assert files() == before
    assert run.steps["numbers"].outputs["output"].load() == [0, 1, 2]
    assert len(collect_garbage(delete=True)) == 0


def test_new_artifacts_are_kept() -> None:
    young, old = stored("young", age=1800), stored("old", age=7200)
    assert addresses(collect_garbage()) == [old]
    assert addresses(collect_garbage(older_than="3h")) == []
    assert set(addresses(collect_garbage(older_than=60))) == {young, old}
    assert addresses(collect_garbage(delete=True)) == [old]
    assert files() == {young}


@pytest.mark.parametrize("age", ["soon", -1, "1 fortnight", ""])
def test_an_invalid_duration_is_refused(age: object) -> None:
    with pytest.raises(RunError, match="is not a duration"):
        collect_garbage(older_than=age)  # type: ignore[arg-type]


def test_bytes_that_are_used_in_another_format_are_kept() -> None:
    address = stored("shared", formats=("text", "other"))
    stack = open_stack()
    digest = address.replace("/", "").removesuffix(".txt")
    stack.metadata.create_run(
        RunRecord("20200101-000000-000000", "p", "default", RunState.SUCCEEDED, 1.0),
        steps=[], params=[], code=[], environment=None,
    )  # fmt: skip
    stack.metadata.write(Batch(outputs=[OutputRecord("20200101-000000-000000", "s", "o", digest, "other")]))
    assert addresses(collect_garbage(delete=True)) == []
    assert files() == {address}
    assert stack.metadata.address_of(digest, "text") is None
    assert stack.metadata.address_of(digest, "other") == address
    delete_runs(["20200101-000000-000000"])
    assert addresses(collect_garbage(delete=True)) == [address]
    assert files() == set()


def test_bytes_that_are_new_in_another_format_are_kept() -> None:
    address = stored("shared", formats=("text",))
    stored("shared", formats=("other",), age=60)
    assert addresses(collect_garbage(delete=True)) == []
    assert files() == {address}


def test_the_same_bytes_in_two_formats_are_one_object() -> None:
    stored("twice", formats=("text", "other"))
    garbage = collect_garbage()
    assert (len(garbage), garbage.bytes, garbage[0].formats) == (1, 5, ("other", "text"))


def test_untracked_files_are_deleted_only_on_request() -> None:
    run = adding()
    recorded = files()
    stack = open_stack()
    untracked_file = stack.artifacts.put_bytes(b"of another metadata store", suffix=".bin").address
    young = stack.artifacts.put_bytes(b"just written", suffix=".bin").address
    at = time.time() - 7200
    for address in (*recorded, untracked_file):
        os.utime(stack.artifacts.local_path(address), (at, at))
    assert addresses(collect_garbage(delete=True)) == []
    dry = collect_garbage(untracked=True)
    assert addresses(dry) == [untracked_file]
    assert "(untracked)" in repr(dry)
    assert addresses(collect_garbage(untracked=True, delete=True)) == [untracked_file]
    assert files() == {*recorded, young}
    assert run.steps["total"].outputs["output"].load() == 3


def test_while_a_run_is_running_nothing_is_deleted_unless_forced(workspace: Path) -> None:
    garbage = stored("garbage")
    with Started(write_script(workspace, SLOW)) as script:
        script.wait_for("waiting")
        run = find_run()
        assert addresses(collect_garbage()) == [garbage]
        with pytest.raises(RunError) as raised:
            collect_garbage(delete=True)
        assert raised.value.message.startswith(f"Run {run.id} (slow, on ")
        assert "--force" in raised.value.hint
        with pytest.raises(RunError, match=f"Run {run.id} .* is running.* Nothing was deleted"):
            delete_runs(["slow"])
        assert files() == {garbage}
        assert addresses(collect_garbage(delete=True, force=True)) == [garbage]
        script.process.kill()
        script.process.wait()
    stored("garbage")
    assert addresses(collect_garbage(delete=True)) == [garbage]  # the killed run is seen to be over


def test_while_batches_wait_in_the_spool_nothing_is_deleted_unless_forced(workspace: Path) -> None:
    garbage = stored("garbage")
    waiting = workspace / ".zen" / "spool" / "elsewhere"
    waiting.mkdir(parents=True)
    (waiting / "1.json").write_text("{}")
    with pytest.raises(RunError, match=r"1 batch in .*spool did not reach the metadata store"):
        collect_garbage(delete=True)
    assert files() == {garbage}
    assert addresses(collect_garbage(delete=True, force=True)) == [garbage]


def test_a_file_that_cannot_be_deleted_is_reported_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = stored("garbage")
    store = open_stack().artifacts

    def refuse(address: str) -> None:
        raise StoreError("The bucket is read-only.", "Ask its owner.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "delete", refuse)
        with pytest.raises(StoreError, match="could not be deleted: The bucket is read-only") as raised:
            collect_garbage(delete=True)
    assert raised.value.hint == "Ask its owner. Then zen gc --untracked --delete finds it again."
    assert addresses(collect_garbage(delete=True)) == []
    assert addresses(collect_garbage(delete=True, untracked=True)) == [garbage]


# --- objects that were passed to a pipeline ---------------------------------------------------------------------------


@dataclass
class Table:
    values: list[int]


@step
def fails_once(file: str) -> int:
    from pathlib import Path

    if not Path(file).exists():
        Path(file).write_text("")
        raise ConnectionError("the first time")
    return 1


@step
def reads(table: Table, number: int) -> int:
    return sum(table.values) + number


@pipeline
def given(table: Table, file: str) -> None:
    reads(table, fails_once(file))


def test_an_object_passed_to_a_pipeline_is_kept_while_its_run_exists(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        given(Table([1, 2]), str(tmp_path / "flag"))
    run = find_run()
    assert run.steps["reads"].state == "skipped"
    assert addresses(collect_garbage(delete=True, older_than=0)) == []
    resumed = run.resume()
    assert resumed.steps["reads"].outputs["output"].load() == 4
    delete_runs([run.id, resumed.id])
    assert len(collect_garbage(delete=True, older_than=0)) == 3
    assert files() == set()


# --- runs -------------------------------------------------------------------------------------------------------------


def test_runs_are_deleted_by_id_part_and_pipeline() -> None:
    first, second, third = adding(), adding(n=4), adding(n=5)
    assert [*delete_runs([first.id, second.id[-6:]], dry_run=True)] == [first.id, second.id]
    assert find_run(first.id) == first
    done = delete_runs([first.id, second.id[-6:], first.id])
    assert [*done] == [first.id, second.id]
    assert repr(done).startswith("Deleted 2 runs; zen gc finds what only they used")
    assert "adding" in done._repr_html_()
    with pytest.raises(RunError, match="No run matches"):
        find_run(first.id)
    assert [*delete_runs(["adding"])] == [third.id]
    with pytest.raises(RunError, match="There are no runs yet"):
        find_run("latest")


def test_an_unknown_reference_deletes_nothing() -> None:
    run = adding()
    with pytest.raises(RunError, match="No run matches 'addign'"):
        delete_runs([run.id, "addign"])
    assert find_run(run.id).state == "succeeded"


def test_a_run_served_from_the_cache_keeps_its_outputs() -> None:
    first = adding()
    served = adding()
    assert served.steps["numbers"].record.cached_from == first.id
    delete_runs([first.id])
    assert addresses(collect_garbage(delete=True, older_than=0)) == []
    assert served.steps["numbers"].outputs["output"].load() == [0, 1, 2]
    assert served.steps["total"].outputs["output"].load() == 3
    assert f"unchanged since run {first.id}" in repr(served.why)


def test_the_cache_forgets_the_outputs_of_a_deleted_run() -> None:
    first, served = adding(), adding()
    delete_runs([first.id])
    again = adding()
    assert [str(step_run.state) for step_run in again.steps.values()] == ["succeeded", "succeeded"]
    digests = [run.steps["total"].outputs["output"].digest for run in (served, again)]
    assert digests[0] == digests[1]
    assert [str(step_run.state) for step_run in adding().steps.values()] == ["cached", "cached"]


def test_artifacts_of_only_a_deleted_run_are_garbage_and_can_be_computed_again() -> None:
    run = adding()
    recorded = adding(n=4)
    output = run.steps["numbers"].outputs["output"]
    delete_runs([run.id])
    assert len(collect_garbage(delete=True, older_than=0)) == 2
    with pytest.raises(ArtifactError, match=r"isn't in the store .* any more"):
        output.load()
    assert adding().steps["numbers"].outputs["output"].load() == [0, 1, 2]
    assert recorded.steps["numbers"].outputs["output"].load() == [0, 1, 2, 3]


def test_a_run_of_another_machine_counts_as_running() -> None:
    garbage = stored("garbage")
    stack = open_stack()
    run = RunRecord(
        "20200101-000000-000000", "far", "default", RunState.RUNNING, 1.0, host="elsewhere", process="1:2:3"
    )
    stack.metadata.create_run(run, steps=[], params=[], code=[], environment=None)
    with pytest.raises(RunError, match=r"Run 20200101-000000-000000 \(far, on elsewhere\) is running"):
        collect_garbage(delete=True)
    stack.metadata.create_run(replace(run, id="20200101-000000-000001"), steps=[], params=[], code=[], environment=None)
    with pytest.raises(RunError, match=r"The runs .*000001.*, .*000000.* are running"):
        collect_garbage(delete=True)
    assert addresses(collect_garbage(delete=True, force=True)) == [garbage]
