"""The folder that `zen export airflow` writes: its bytes, its options, its drift, and what Airflow's linter says of it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenbook.cli import invoke
from zenbook.core.capsule import Capsule, Module, Piece
from zenbook.core.graph import Graph, Input, Node, OutputRef, Retries, StepKind, StepOptions
from zenbook.core.plan import Code, ParameterTarget, Plan
from zenbook.errors import ZenbookError
from zenbook.exporters.base import find_exporter, make_files

TRAIN = '''
from typing import Annotated

from zenbook import pipeline, step

@step
def load(rows: int = 5) -> list:
    """Make the rows.

    There are as many of them as the pipeline's parameter says, and they are counted from zero to one less.
    """
    return list(range(rows))

@step(retries=2, timeout="10m")
def halve(rows: list) -> tuple[Annotated[list, "low"], Annotated[list, "high"]]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]

@step
def join(low: list, high: list, factor: float) -> float:
    return sum(low + high) * factor

@pipeline
def training(rows: int = 5, factor: float = 0.5, deep: bool = False, note: str = "a") -> None:
    """Train."""
    low, high = halve(load(rows))
    if deep:
        low, high = halve(low)
    join(low, high, factor)
'''


@pytest.fixture
def train(workspace: Path) -> Path:
    (workspace / "train.py").write_text(TRAIN)
    yield workspace / "train.py"
    sys.modules.pop("train", None)


def exported(*words: str) -> Any:
    return invoke(["export", "airflow", *words])


def test_exporting_twice_gives_the_same_bytes(train: Path) -> None:
    exported("train.py:training", "--to", "one")
    sys.modules.pop("train")
    message = exported("train.py:training", "--to", "two")
    one, two = ({file.name: file.read_bytes() for file in Path(name).iterdir()} for name in ("one", "two"))
    assert one == two
    names = ["plan.json", "steps.py", "requirements.txt", ".airflowignore", "README.md", "training.py"]
    assert sorted(one) == sorted(names)
    assert "6 of 6 files are new or changed" in repr(message)
    assert "Nothing has changed" in repr(exported("train.py:training", "--to", "two"))


def test_the_dag_contains_the_docstrings_of_the_steps_and_the_pipeline(train: Path) -> None:
    exported("train.py:training", "--to", "out", "--schedule", "@daily", "--start-date", "2026-02-03", "--tag", "x")
    text = Path("out/training.py").read_text()
    assert text.startswith('"""Train.\n')
    for expected in (
        'schedule="@daily"',
        "start_date=datetime(2026, 2, 3, tzinfo=timezone.utc)",
        '"rows": Param(5, type="integer")',
        '"factor": Param(0.5, type="number")',
        'doc_md=(\n            "Make the rows.\\n"\n            "\\n"\n            "There are as many',
        "retries=2",
        "execution_timeout=timedelta(minutes=11)",
        'tags=["zenbook", "x", "zenbook-',
        "load >> halve >> join",
    ):
        assert expected in text, expected
    assert '"deep"' not in text, "the wiring depends on it"
    assert '"note"' not in text, "nothing takes it"
    assert "Fixed when this was exported, since the wiring depends on them: `deep`" in Path("out/README.md").read_text()


def test_the_dag_imports_only_airflow_and_the_standard_library(train: Path) -> None:
    exported("train.py:training", "--to", "out")
    imported = set()
    for node in ast.walk(ast.parse(Path("out/training.py").read_text())):
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            imported |= {one.name.partition(".")[0] for one in node.names}
    assert imported == {"__future__", "airflow", "datetime", "os", "pathlib"}


def test_one_step_may_have_another_interpreter(train: Path) -> None:
    exported("train.py:training", "--to", "out", "--python", "/opt/a/python", "--step-python", "join=/opt/b/python")
    text = Path("out/training.py").read_text()
    assert 'os.environ.get("ZENBOOK_PYTHON", "/opt/a/python")' in text
    assert text.count("env=STEP,") == 2
    assert text.count('env={**STEP, "ZENBOOK_PYTHON": "/opt/b/python"}') == 1


def test_check_shows_what_differs(train: Path) -> None:
    exported("train.py:training", "--to", "out")
    assert "up to date" in repr(exported("train.py:training", "--to", "out", "--check"))
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    train.write_text(TRAIN.replace("* factor", "* factor + 1"))
    sys.modules.pop("train")
    with pytest.raises(ZenbookError) as raised:
        exported("train.py:training", "--to", "out", "--check")
    assert raised.value.message.endswith("is out of date: plan.json, steps.py would change.")
    assert "+    return sum(low + high) * factor + 1" in raised.value.hint
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before, "--check writes nothing"


def test_a_notebooks_file_is_exported_without_a_kernel(workspace: Path) -> None:
    cells = ["%load_ext zenbook", "rows = 4", "%%step data\nxs = list(range(rows))", "%%step total\nn = sum(xs)"]
    body = [{"cell_type": "code", "source": one, "metadata": {}, "outputs": []} for one in cells]
    (workspace / "nb.ipynb").write_text(json.dumps({"cells": body, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    script = "from zenbook.cli import main; main()"
    words = ["export", "airflow", "nb.ipynb", "--to", "out"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = Path("out/nb.py").read_text()
    assert '"rows": Param(4, type="integer")' in text
    assert "data >> total" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--schedule", "dayly"], "--schedule"),
        (["--start-date", "soon"], "--start-date"),
        (["--python", "/opt/{{ x }}/python"], "read it as a template"),
        (["--python", "/opt/python.sh"], "read it as a template"),
        (["--dag-id", "a b"], "--dag-id"),
        (["--step-python", "/opt/python"], "write it as STEP=PATH"),
        (["--step-python", "jion=/opt/python"], "Did you mean 'join'?"),
        (["--retries", "-1"], "--retries"),
        (["--param", "lr=1"], "no parameter 'lr'"),
    ],
)
def test_an_invalid_option_is_explained_in_a_sentence(train: Path, words: list[str], message: str) -> None:
    with pytest.raises(ZenbookError) as raised:
        exported("train.py:training", "--to", "out", *words)
    assert message in str(raised.value)
    assert not Path("out").exists()


def test_an_unknown_exporter_without_close_matches_gets_the_list() -> None:
    with pytest.raises(ZenbookError, match="Unknown exporter 'kubernetes'") as raised:
        invoke(["export", "kubernetes", "train.py:training", "--to", "out"])
    assert raised.value.hint == "Known exporters: airflow, script."


def test_an_unknown_exporter_gets_close_matches(train: Path) -> None:
    with pytest.raises(ZenbookError, match="Unknown exporter 'airflaw'") as raised:
        invoke(["export", "airflaw", "train.py:training", "--to", "out"])
    assert raised.value.hint == "Did you mean 'airflow'?"


def test_twenty_steps_are_twenty_tasks(workspace: Path) -> None:
    steps = "\n".join(f"@step\ndef s{n}(x: int = 0) -> int:\n    return x + {n}\n" for n in range(20))
    wiring = "".join(f"    x = s{n}(x)\n" for n in range(20))
    text = f"from zenbook import pipeline, step\n{steps}\n@pipeline\ndef chain(x: int = 1) -> None:\n{wiring}"
    (workspace / "chain.py").write_text(text)
    exported("chain.py:chain", "--to", "out")
    assert set(re.findall(r"task_id=['\"](s\d+)['\"]", Path("out/chain.py").read_text())) == {
        f"s{n}" for n in range(20)
    }
    sys.modules.pop("chain", None)


# --- whatever the names and values are ----------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        '"""',
        "{{ 1 + 1 }}",
        "$(touch x)",
        "`x`",
        "a'b",
        'a"b',
        "\\",
        "x.sh",
        "x.md",
        "é\n☃",
        "{% raw %}",
        "",
        "\\N{DASH}",
    ]
)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20) | st.sampled_from(
    ["os", "DAG", "class", "a b", "{{ x }}", "x.sh", "1st", "☃", "steps", "match"]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.lists(TEXTS)
)


@st.composite
def plans(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> Plan:
    values = VALUES if texts is TEXTS else st.integers() | st.booleans() | texts | st.lists(texts)
    names = draw(st.lists(NAMES if texts is TEXTS else texts.filter(str.strip), min_size=1, max_size=6, unique=True))
    params = draw(st.dictionaries(texts.filter(bool), values, max_size=4))
    capsule = Capsule("__main__:f", (Module("__main__", (Piece("def f(**_):\n    return 1"),)),))
    nodes = []
    for place, name in enumerate(names):
        above = draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        options = StepOptions(True, Retries(draw(st.integers(0, 3))), draw(st.none() | st.floats(0.5, 9999)))
        inputs = {f"i{n}": Input((OutputRef(one, "output"),)) for n, one in enumerate(above)}
        nodes.append(Node(name, "f", StepKind.FUNCTION, ("output",), dict(params), inputs, (), options, draw(texts)))
    return Plan(
        pipeline=draw(NAMES if texts is TEXTS else texts.filter(str.strip)),
        graph=Graph(tuple(nodes)),
        code={name: Code(capsule.digest, "f") for name in names},
        capsules={capsule.digest: capsule},
        params=params,
        doc=draw(texts),
        python="3.11.7",
        bindings={name: (ParameterTarget(names[0], name),) for name in params},
    )


@given(plan=plans())
@settings(max_examples=60, deadline=None)
def test_whatever_the_names_are_the_dag_is_python_and_the_plan_comes_back(plan: Plan) -> None:
    files = make_files(find_exporter("airflow"), plan, {})
    (text,) = [text for name, text in files.items() if name.endswith(".py") and name != "steps.py"]
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    tasks = [node for node in calls if node.func.id == "BashOperator"]
    assert len(tasks) == len(plan.graph)
    given_params = [ast.literal_eval(node.args[0]) for node in calls if node.func.id == "Param"]
    assert given_params == list(plan.params.values())
    commands = {ast.unparse(key.value) for node in tasks for key in node.keywords if key.arg in ("bash_command", "env")}
    assert commands == {"RUN_STEP", "STEP"}, "nothing of the user is in a command or in a template"
    assert Plan.from_json(files["plan.json"]) == Plan.from_json(plan.to_json())


@given(each=st.lists(plans(), min_size=15, max_size=15))
@settings(max_examples=2, deadline=None)
def test_airflows_linter_finds_nothing(each: list[Plan], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("linted")
    for number, plan in enumerate(each):
        files = make_files(find_exporter("airflow"), plan, {"dag_id": f"dag{number}"})
        (folder / f"dag{number}.py").write_text(files[f"dag{number}.py"])
    ruff = shutil.which("ruff") or str(Path(sys.executable).parent / "ruff")
    words = [ruff, "check", "--isolated", "--no-cache", "--preview", "--select", "AIR,F,E9,I,B,SIM", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


PLAIN_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(each=st.lists(plans(PLAIN_TEXTS), min_size=20, max_size=20))
@settings(max_examples=2, deadline=None)
def test_a_formatter_leaves_the_dag_as_it_is(each: list[Plan], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("formatted")
    for number, plan in enumerate(each):
        files = make_files(find_exporter("airflow"), plan, {"dag_id": f"dag{number}"})
        (folder / f"dag{number}.py").write_text(files[f"dag{number}.py"])
    ruff = shutil.which("ruff") or str(Path(sys.executable).parent / "ruff")
    for width in ("88", "110"):
        words = [ruff, "format", "--isolated", "--no-cache", "--line-length", width, "--diff", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
