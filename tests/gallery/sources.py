"""scikit-learn's gallery scripts, from the source distribution of the version that is installed.

pip fetches the archive, so that the machine's own configuration of pip (index, mirror, certificates, wheels on disk)
says from where. To download a source distribution pip asks its build backend for the metadata; a stand-in answers from
the archive's ``PKG-INFO``, since building scikit-learn would take a compiler and half an hour.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(os.environ.get("GALLERY_ROOT") or Path(__file__).resolve().parents[2])  # whose zenbook is tried

_BACKEND = '''"""Stands in for the build backend: the metadata of the archive itself, and no build."""
import pathlib, re

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    text = pathlib.Path("PKG-INFO").read_text(encoding="utf-8")
    name, number = (re.search(rf"^{key}: *(.+)$", text, re.M)[1].strip() for key in ("Name", "Version"))
    folder = pathlib.Path(metadata_directory, f"{re.sub('[-_.]+', '_', name)}-{number}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {number}\\n", encoding="utf-8")
    return folder.name

def build_wheel(*_, **__):
    raise SystemExit("nothing is built here")
'''


class NoSourcesError(Exception):
    """The source distribution could not be fetched."""


def gallery_folder() -> Path:
    """The folder ``examples`` of scikit-learn's source distribution; fetched once. Raises `NoSourcesError`."""
    number = version("scikit-learn")
    folder = ROOT / ".cache" / "gallery" / number
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            _unpack(_download(number, Path(scratch)), Path(scratch), folder)
    return folder


def _download(number: str, scratch: Path) -> Path:
    stub, target = scratch / "stub", scratch / "archive"
    stub.mkdir()
    (stub / "mesonpy.py").write_text(_BACKEND, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--no-binary", "scikit-learn", "--dest", str(target), f"scikit-learn=={number}"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(stub)}, capture_output=True, text=True, check=False, timeout=240
    )
    found = next(target.glob("*.tar.gz"), None) if target.is_dir() else None
    if found is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else "it gave no archive"
        raise NoSourcesError(f"pip could not fetch the source distribution of scikit-learn {number}: {reason}")
    return found


def _unpack(archive: Path, scratch: Path, folder: Path) -> None:
    """Unpack ``examples`` into the folder, in one move: several test processes may do this at once."""
    made = scratch / "unpacked"
    with tarfile.open(archive) as tar:
        inside = [one for one in tar.getmembers() if one.name.split("/")[1:2] == ["examples"]]
        tar.extractall(made, members=inside, filter="data")
    folder.parent.mkdir(parents=True, exist_ok=True)
    near = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        shutil.move(next(made.iterdir()) / "examples", near / "examples")
        (near / "examples").rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(near, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Script:
    """One gallery script."""

    name: str  # its path below ``examples``
    blocks: tuple[str, ...]  # the code cells, in order

    @property
    def text(self) -> str:
        """All of its code."""
        return "\n".join(self.blocks)


_BREAK = re.compile(r"^#\s*%%|^#{20,}\s*$")


def read_script(path: Path, folder: Path) -> Script:
    """Cut a script into cells as sphinx-gallery does; cells without code are left out."""
    text = _without_docstring(path.read_text(encoding="utf-8"))
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if _BREAK.match(line):
            blocks.append([])
        blocks[-1].append(line)
    joined = ("\n".join(one).strip("\n") + "\n" for one in blocks)
    return Script(path.relative_to(folder).as_posix(), tuple(one for one in joined if ast.parse(one).body))


def _without_docstring(text: str) -> str:
    first = ast.parse(text).body[0]
    lines = text.splitlines()
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines[first.lineno - 1 : first.end_lineno] = [""] * ((first.end_lineno or 1) - first.lineno + 1)
    return "\n".join(lines)


_DOWNLOADS = re.compile(r"\b(fetch_\w+|urlopen|urlretrieve|requests|scipy\.datasets)\b|[\"']https?://")


def unfit(script: Script) -> str:
    """Why a script can't be run here: it downloads data, or needs a package that is not installed. Else empty."""
    tree = ast.parse(script.text)
    code = ast.unparse(tree)
    found = _DOWNLOADS.search(code)
    if found:
        return f"downloads data ({found[0]})"
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.partition(".")[0]
            if top and importlib.util.find_spec(top) is None:
                return f"needs {top}, which is not installed"
    return ""
