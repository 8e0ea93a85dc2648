"""Every command and snippet of the README and the guides works, tried in a real kernel and a real shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.notebook.kernels import kernel

ROOT = Path(__file__).parent.parent
MAKE = {
    "make demo",
    "make test",
    "make lab",
    "make bench",
    "make pictures",
}  # tried by test_fresh_clone.py, or what runs this


def blocks(file: str, language: str) -> list[str]:
    """The fenced blocks of a language, "" being those that name none."""
    found: list[str] = []
    inside: str | None = None
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("```"):
            inside = line.removeprefix("```") if inside is None else None
            if inside == language:
                found.append("")
        elif inside == language:
            found[-1] += f"{line}\n"
    return found


def test_the_tour_runs_in_a_kernel_from_top_to_bottom(tmp_path: Path) -> None:
    cells = blocks("README.md", "python")
    assert len(cells) >= 4
    with kernel(tmp_path) as k:
        for cell in cells:
            k.run(cell)
        assert k.run("run.steps['load'].state").result.startswith("<StepState.CACHED")


def test_the_shell_commands_run(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "01_quickstart.ipynb", tmp_path / "notebooks")
    tried = 0
    for block in blocks("README.md", ""):
        for line in block.splitlines():
            command = line.partition("#")[0].strip()
            if not command or command in MAKE:
                continue
            words = shlex.split(command)
            assert words[0] == "zen", line
            done = subprocess.run(
                [str(Path(sys.executable).parent / "zen"), *words[1:]],
                cwd=tmp_path,
                env={**os.environ, "ZENBOOK_WORKSPACE": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            tried += 1
    assert tried >= 5


def test_the_format_of_the_guide_works(tmp_path: Path) -> None:
    (example,) = blocks("docs/formats.md", "python")
    with kernel(tmp_path) as k:
        k.run("%load_ext zenbook\nclass Point:\n    def __init__(self, x, y): self.x, self.y = x, y")
        k.run(example)
        k.run(
            "from zenbook import step, pipeline\n@step\ndef make(): return Point(1.0, 2.0)\n"
            "@step\ndef take(p): return p.x + p.y\n@pipeline\ndef points(): take(make())\nrun = points()"
        )
        made = k.run("o = run.steps['make'].outputs['output']\no.format, o.load().y, run.metrics['take']")
        assert made.result == "('point', 2.0, 3.0)"
        elsewhere = k.run(
            "import os; os.environ['ZENBOOK_STACK_ORCHESTRATOR'] = 'process'\n"
            "r = points.options(cache=False)()\nr.steps['make'].outputs['output'].format, r.metrics['take']"
        )
        assert elsewhere.result == "('point', 3.0)"


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
    for file in (str(page.relative_to(ROOT)) for page in pages):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / file).read_text()):
            assert ((ROOT / file).parent / target).exists(), f"{file}: {target}"


def test_the_snippets_of_the_page_on_the_notebook_run(tmp_path: Path) -> None:
    with kernel(tmp_path) as k:
        k.run("%load_ext zenbook")
        for cell in blocks("docs/notebook.md", "python"):
            k.run(cell)
        assert k.run("run.state").result.startswith("<RunState.SUCCEEDED")
