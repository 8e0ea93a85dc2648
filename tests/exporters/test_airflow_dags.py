"""Exported DAGs on real Airflows, 3 and 2: no import error, `dag.test()` succeeds, artifacts equal those of the local run."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.airflow_here import loaded_and_tested
from zenbook.core.plan import Plan
from zenbook.runs.execution import HIDDEN
from zenbook.runs.exporting import find_exporter, make_files, write_export
from zenbook.runs.targets import find_target
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent.parent
TORTURE = HERE / "torture" / "torture.ipynb"
TUTORIALS = sorted((HERE.parent / "notebooks").glob("0[14]_*.ipynb"))
NASTY = [
    "it's",
    'a "quote"',
    "{{ 1 + 1 }}",
    "$(touch pwned)",
    "`id`",
    "line\nbreak",
    "☃ é",
    "\\",
    "%s {% raw %}",
    "x.sh",
]


@dataclass
class Place:
    """A folder with a workspace whose runs were local, and a dags folder with their exports."""

    project: Path
    home: Path
    expected: dict[str, dict[str, dict[str, str]]]  # dag → step → output → digest


def random_module(seed: int) -> str:
    """A module with steps of odd names and shapes, wired at random."""
    dice = random.Random(seed)
    names = dice.sample(["load", "a b", "{{ x }}", "class", "os", "DAG", "Größe", "x.sh", "1st", "☃", "$(id)"], 4)
    text = ["from zenbook import pipeline, step", "import hashlib", f"SALT = {dice.choice(NASTY)!r}", ""]
    for number, name in enumerate(names):
        text += [
            f"@step(name={name!r}, outputs=('one', 'two'))",
            f"def s{number}(*above, text: str = '', numbers: list = (), factor: float = 1.0, flag: bool = False):",
            "    seen = repr((above, text, list(numbers), factor, flag, SALT))",
            f"    print({name!r}, text)",
            "    return hashlib.sha256(seen.encode()).hexdigest(), {'text': text, 'n': len(above)}",
            "",
        ]
    params = {"text": dice.choice(NASTY), "numbers": [1, 2], "factor": dice.random(), "flag": dice.random() < 0.5}
    signature = ", ".join(f"{name}={value!r}" for name, value in params.items())
    text += ["@pipeline", f"def random{seed}({signature}):"]
    for number in range(4):
        above = [f"x{one}.{dice.choice(['one', 'two'])}" for one in range(number) if dice.random() < 0.6]
        own = [f"{one}={one}" for one in params if dice.random() < 0.6]
        text.append(f"    x{number} = s{number}({', '.join([*above, *own])})")
    return "\n".join(text) + "\n"


def export(plan: Plan, dag_id: str, dags: Path, folder: Path) -> None:
    files = make_files(find_exporter("airflow"), plan, {"dag_id": dag_id, "python": sys.executable})
    stack = json.dumps({"folder": str(folder), "variables": {}})
    write_export({**files, "stack.json": stack}, dags / dag_id)


def digests(run: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in open_stack().metadata.outputs([run]):
        if one.name not in HIDDEN:
            found.setdefault(one.step, {})[one.name] = one.digest
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Local runs of everything, and their exports; the environment is that of the tests' own again afterwards."""
    project = tmp_path_factory.mktemp("project")
    made = Place(project, tmp_path_factory.mktemp("airflow"), {})
    shutil.copytree(TORTURE.parent / "project", project, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("ZENBOOK_WORKSPACE", str(project / ".zen"))
        for notebook in (TORTURE, *TUTORIALS):
            body = nbformat.read(notebook, as_version=4)
            NotebookClient(body, timeout=120, resources={"metadata": {"path": str(project)}}).execute()
        metadata = open_stack().metadata
        whole: dict[tuple[str, ...], str] = {}
        for record in metadata.runs(RunQuery(limit=None)):  # of runs with the same steps the newest
            steps = metadata.steps([record.id])
            if all(one.state.has_outputs for one in steps):
                whole.setdefault((record.pipeline, *(one.name for one in steps)), record.id)
        for number, run in enumerate(whole.values()):
            plan = Plan.from_json(metadata.run(run).plan)  # type: ignore[union-attr]
            export(plan, f"notebook{number}", made.home / "dags", project)
            made.expected[f"notebook{number}"] = digests(run)
        for seed in range(3):
            (project / f"random_{seed}.py").write_text(random_module(seed))
            runnable = find_target(f"random_{seed}.py:random{seed}")
            run = runnable.run({}, stack=None, cache=False)
            export(runnable.plan({}, stack=None), f"random{seed}", made.home / "dags", project)
            made.expected[f"random{seed}"] = digests(run.id)
    assert len(made.expected) > 5
    return made


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.timeout(600)
def test_what_ran_here_runs_on_airflow_and_makes_the_same_bytes(
    version: int, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = json.dumps({"flavour": "local", "path": str(place.project / ".zen" / "artifacts")})
    variables = {"ZENBOOK_WORKSPACE": str(tmp_path), "ZENBOOK_STACK_ARTIFACT_STORE": store}
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(place.home / "dags", home / "dags")
    found = loaded_and_tested(version, home, run=sorted(place.expected), **variables)
    assert found["errors"] == {}
    assert found["warnings"] == []
    assert not found["zenbook"], "Airflow needs none of it"
    assert len(found["seconds"]) == len(place.expected), "only the DAGs are parsed"
    assert sorted(found["dags"]) == sorted(place.expected)
    assert found["states"] == dict.fromkeys(place.expected, "success"), found["output"][-6000:]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    metadata = open_stack().metadata
    made: dict[str, Any] = {}
    for record in metadata.runs(RunQuery(limit=None)):
        assert record.state == "succeeded"
        notes = [
            note for one in metadata.steps([record.id]) for note in one.notes if note.startswith("ran by Airflow: ")
        ]
        made[notes[0].split()[3]] = digests(record.id)
    assert made == place.expected
    assert not [*tmp_path.rglob("pwned"), *place.project.rglob("pwned")]


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


@pytest.mark.parametrize("version", [3, 2])
def test_what_a_trigger_says_arrives_intact_and_is_not_executed(
    version: int, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "taking.py").write_text(TRIGGERED)
    (workspace / "x.csv").write_text("1")
    (workspace / "y.csv").write_text("2")
    plan = find_target("taking.py:taking").plan({}, stack=None)
    sys.modules.pop("taking")
    export(plan, "taking", workspace / "home" / "dags", workspace)
    conf = {"text": "\n".join(NASTY), "number": 3, "numbers": [*NASTY], "path": "y.csv"}
    variables = {"ZENBOOK_WORKSPACE": str(workspace)}
    found = loaded_and_tested(version, workspace / "home", run=["taking"], conf=conf, **variables)
    assert found["states"] == {"taking": "success"}, found["output"][-6000:]
    (run,) = open_stack().metadata.runs(RunQuery())
    from zenbook.runs.run import Run

    value = Run(run.id, open_stack()).steps["take"].outputs["output"].load()
    assert value == {**conf, "number": 3.0}
    assert not list(workspace.rglob("pwned"))
