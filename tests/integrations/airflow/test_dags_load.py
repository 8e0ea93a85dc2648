"""Exported DAGs on real Airflows: no import error, `dag.test()` succeeds, artifacts equal those of the local run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.integrations.airflow.random_pipelines import NASTY, drawn
from tests.scripts import run_zen
from tests.servers.airflow_here import loaded_and_tested
from zenbook.core.plan import Plan
from zenbook.engine.run_context import HIDDEN
from zenbook.exporters.base import find_exporter, make_files, write_export
from zenbook.history.run import Run
from zenbook.integrations.airflow.task import STACK_FILE
from zenbook.pipelines.sources import find_target
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).parents[2]
TORTURE = HERE / "torture" / "torture.ipynb"
TUTORIALS = sorted((HERE.parent / "notebooks").glob("*.ipynb"))
RANDOM = 30  # DAGs that are loaded, of which some run
RUN = 4
TRIGGERED = """
from pathlib import Path

from zenbook import pipeline, step

@step
def take(text: str, number: float, numbers: list, path: Path) -> dict:
    return {"text": text, "number": number, "numbers": numbers, "path": str(path)}

@pipeline
def taking(text: str = "a", number: float = 0.5, numbers: list = [1], path: Path = Path("x.csv")) -> None:
    take(text, number, numbers, path)
"""
CONF = {"text": "\n".join(NASTY), "number": 3, "numbers": [*NASTY], "path": "y.csv"}


@dataclass
class ParameterTarget:
    """A folder with a workspace whose runs were local, and a dags folder with their exports."""

    project: Path
    dags: Path
    expected: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)  # dag → step → output → digest
    random: dict[str, str] = field(default_factory=dict)  # dag → module

    def export(self, plan: Plan, dag_id: str) -> None:
        files = make_files(find_exporter("airflow"), plan, {"dag_id": dag_id, "python": sys.executable})
        write_export(files, self.dags / dag_id)
        self.choose_stack(dag_id)

    def choose_stack(self, dag_id: str) -> None:
        """Let the tasks of a DAG start in the project's folder."""
        (self.dags / dag_id / STACK_FILE).write_text(json.dumps({"folder": str(self.project), "variables": {}}))


def digests(run: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in open_stack().metadata.outputs([run]):
        if one.name not in HIDDEN:
            found.setdefault(one.step, {})[one.name] = one.digest
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> ParameterTarget:
    """Local runs of everything, and their exports; the environment is that of the tests' own again afterwards."""
    project = tmp_path_factory.mktemp("project")
    made = ParameterTarget(project, tmp_path_factory.mktemp("airflow") / "dags")
    shutil.copytree(TORTURE.parent / "project", project, dirs_exist_ok=True)
    for name in ("x.csv", "y.csv"):  # a path counts by its file's content
        (project / name).write_text(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("ZENBOOK_WORKSPACE", str(project / ".zen"))
        run_torture(made)
        run_tutorials(made)
        for number, text in enumerate(drawn(RANDOM)):
            name = f"random_{number}"
            (project / f"{name}.py").write_text(text, encoding="utf-8")
            runnable = find_target(f"{name}.py:wired")
            run = runnable.run({}, stack=None, cache=False)
            made.export(runnable.plan({}, stack=None), name)
            made.expected[name], made.random[name] = digests(run.id), text
            del sys.modules[name]
        (project / "taking.py").write_text(TRIGGERED)
        made.export(find_target("taking.py:taking").plan({}, stack=None), "taking")
        del sys.modules["taking"]
    return made


def run_torture(made: ParameterTarget) -> None:
    """Run the torture notebook in a kernel, and export what it ran."""
    body = nbformat.read(TORTURE, as_version=4)
    NotebookClient(body, timeout=120, resources={"metadata": {"path": str(made.project)}}).execute()
    metadata = open_stack().metadata
    for number, run in enumerate(one.id for one in metadata.runs(RunQuery(limit=None))):
        made.export(Plan.from_json(metadata.run(run).plan), f"torture{number}")  # type: ignore[union-attr]
        made.expected[f"torture{number}"] = digests(run)
    assert made.expected


def run_tutorials(made: ParameterTarget) -> None:
    """Run every tutorial's pipelines from its file, and export them without executing the notebook."""
    for notebook in TUTORIALS:
        cells = [str(one.source) for one in nbformat.read(notebook, as_version=4).cells]
        names = re.findall(r"^@pipeline\b.*\ndef (\w+)", "\n\n".join(cells), re.MULTILINE)
        if any(one.startswith("%%step") for one in cells):
            names.append(notebook.stem)
        for name in dict.fromkeys(names):
            target, dag_id = f"{notebook}:{name}", f"{notebook.stem}-{name}"
            before = {one.id for one in open_stack().metadata.runs(RunQuery(limit=None))}
            zen(made.project, "run", target)
            (run,) = {one.id for one in open_stack().metadata.runs(RunQuery(limit=None))} - before
            words = ["--to", str(made.dags / dag_id), "--dag-id", dag_id, "--python", sys.executable]
            zen(made.project, "export", "airflow", target, "--static", *words)
            made.choose_stack(dag_id)
            made.expected[dag_id] = digests(run)
    assert TUTORIALS


def zen(folder: Path, *words: str) -> None:
    done = run_zen(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr


# 3 and 2 are the newest of each; an older one loads all DAGs, and runs a few.
@pytest.mark.parametrize("version", ["3", "2", "2.9", "2.10", "3.0", "3.1", "3.2"])
def test_what_ran_here_runs_on_airflow_and_makes_the_same_bytes(
    version: str, place: ParameterTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENBOOK_WORKSPACE", str(tmp_path))
    monkeypatch.setenv(
        "ZENBOOK_STACK_ARTIFACT_STORE",
        json.dumps({"flavour": "local", "path": str(place.project / ".zen" / "artifacts")}),
    )
    newest = "." not in version
    wanted = {name for name in place.expected if newest or name in place.random}
    wanted -= set(list(place.random)[: -RUN if newest else -1])
    shutil.copytree(place.dags, tmp_path / "home" / "dags")
    said = dict.fromkeys(sorted(wanted)) | {"taking": CONF}
    found = loaded_and_tested(version, tmp_path / "home", run=said, **stores())
    assert found["errors"] == {}
    assert found["warnings"] == []
    assert not found["zenbook"], "Airflow needs none of it"
    assert sorted(found["dags"]) == sorted([*place.expected, "taking"]), "only the DAGs are parsed"
    assert len(found["seconds"]) == len(found["dags"])
    assert found["states"] == dict.fromkeys(said, "success"), found["output"][-6000:]
    made: dict[str, Any] = {}
    for run in open_stack().metadata.runs(RunQuery(limit=None)):
        assert run.state == "succeeded"
        made[dag_of(run.id)] = run.id
    taken = Run(made.pop("taking"), open_stack()).steps["take"].outputs["output"].load()
    assert taken == {**CONF, "number": 3.0}, "what a trigger says arrives intact"
    assert {name: digests(run) for name, run in made.items()} == {name: place.expected[name] for name in wanted}
    assert not [*tmp_path.rglob("pwned"), *place.project.rglob("pwned")], "and nothing of it is executed"


def stores() -> dict[str, str]:
    return {name: os.environ[name] for name in ("ZENBOOK_WORKSPACE", "ZENBOOK_STACK_ARTIFACT_STORE")}


def dag_of(run: str) -> str:
    notes = [note for one in open_stack().metadata.steps([run]) for note in one.notes]
    return next(note for note in notes if note.startswith("ran by Airflow: ")).split()[3]
