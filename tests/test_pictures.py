"""Every picture that a page shows is there, is small, is made by ``make pictures``, and is shown somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
IMAGE = re.compile(r"\]\(([^)\s]+\.png)\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def text_of(page: Path) -> str:
    text = page.read_text("utf-8")
    if page.suffix == ".md":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def shown() -> dict[Path, set[str]]:
    """The pictures that pages show, with the pages."""
    found: dict[Path, set[str]] = {}
    for page in PAGES:
        for name in IMAGE.findall(text_of(page)):
            found.setdefault((page.parent / name).resolve(), set()).add(page.name)
    return found


def test_every_picture_that_is_shown_is_there_and_every_one_that_is_there_is_shown() -> None:
    pictures = shown()
    assert {"README.md", "notebook.md", "01_quickstart.ipynb"} <= set().union(*pictures.values())
    assert sorted(pictures) == sorted(FOLDER.glob("*"))


def test_pictures_are_small() -> None:
    for picture in FOLDER.glob("*.png"):
        assert picture.stat().st_size <= 150_000, picture.name


def test_every_picture_is_made_by_make_pictures() -> None:
    pytest.importorskip("playwright")
    from tests.pictures import PICTURES

    assert sorted(PICTURES) == sorted(one.name for one in FOLDER.glob("*"))
