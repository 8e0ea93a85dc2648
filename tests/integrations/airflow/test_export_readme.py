"""Somebody deploys the exported folder who has read nothing but its README."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.airflow_here import loaded_and_tested
from zenbook.cli import invoke

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[3]
TRAIN = """
import click

from zenbook import pipeline, step

@step
def load(rows: int) -> list:
    click.echo("loading")
    return list(range(rows))

@step
def total(rows: list, text: str) -> str:
    return f"{text} {sum(rows)}"

@pipeline
def training(rows: int = 3, text: str = "it's"):
    total(load(rows), text)
"""


def blocks(readme: str) -> list[str]:
    """The commands and variables that it tells, in their order."""
    return [re.sub("^ +", "", one, flags=re.MULTILINE) for one in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)]


def test_the_readme_of_the_folder_is_all_that_a_deployment_needs(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (workspace / "train.py").write_text(TRAIN)
    invoke(["export", "airflow", "train.py:training", "--to", "training"])
    sys.modules.pop("train")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    folder = Path(shutil.copytree("training", elsewhere / "received"))
    readme = (folder / "README.md").read_text().replace("/opt/steps", str(elsewhere / "steps"))
    install, interpreter, single, _, trigger = blocks(readme.replace("/var/lib/zenbook", str(elsewhere / "zenbook")))
    make_environment(install, folder, elsewhere)
    variables = dict(one.strip().split("=", 1) for one in (interpreter, single))
    home = elsewhere / "home"
    shutil.copytree(folder, home / "dags" / "any name")
    words = shlex.split(trigger)
    assert words[:4] == ["airflow", "dags", "trigger", "training"]
    conf = json.loads(words[words.index("--conf") + 1])
    assert conf == {"rows": 3, "text": "it's"}
    found = loaded_and_tested("3", home, run={"training": {**conf, "rows": 4}}, **variables)
    assert (found["errors"], found["states"]) == ({}, {"training": "success"}), found["output"][-4000:]
    zen = str(elsewhere / "steps" / "bin" / "zen")
    for step, line in (("load", "param    rows = 4"), ("total", "it's 6")):
        shown = subprocess.run([zen, "show", "latest", step], env=variables, capture_output=True, text=True, check=True)
        assert line in shown.stdout


def make_environment(commands: str, folder: Path, elsewhere: Path) -> None:
    """What the README says, with uv for venv and pip, and this zenbook for the released one."""
    uv = str(Path(sys.executable).with_name("uv"))
    wheels = elsewhere / "wheels"
    subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--out-dir", str(wheels), str(ROOT)], check=True, capture_output=True
    )
    venv, install = (shlex.split(one) for one in commands.strip().splitlines())
    assert venv[:3] == ["python3", "-m", "venv"]
    assert install[0] == f"{venv[3]}/bin/pip"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv[3]], check=True, capture_output=True)
    command = [uv, "pip", *install[1:], "--quiet", "--python", f"{venv[3]}/bin/python", "--find-links", str(wheels)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
