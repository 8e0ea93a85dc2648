"""One JupyterLab and one browser for the scenes of a test file. The file's ``LAB_FILES`` are put beside its notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page

from tests.notebook.lab import browser, jupyterlab
from tests.notebook.panels.scene import Scene


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a JupyterLab, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("lab")
    files: dict[str, str] = getattr(request.module, "LAB_FILES", {})
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with jupyterlab(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    """A page in the browser."""
    with browser() as page:
        yield page


@pytest.fixture
def scene(
    lab: tuple[str, Path], chromium: Page, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A scene of its own for each test, which fails when the browser's console reports an error."""
    url, folder = lab
    shots = tmp_path_factory.getbasetemp() / "screenshots"
    shots.mkdir(exist_ok=True)
    name = request.node.name.removeprefix("test_")[:40]
    scene = Scene(chromium, url, folder, shots, name)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            scene.complaints.append(message.text)

    def note_error(error: object) -> None:
        scene.complaints.append(str(error))

    chromium.on("console", note)
    chromium.on("pageerror", note_error)
    for file in ("go", "stay"):
        (folder / file).unlink(missing_ok=True)
    yield scene
    chromium.remove_listener("console", note)
    chromium.remove_listener("pageerror", note_error)
    chromium.set_viewport_size({"width": 1100, "height": 1400})
    chromium.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    chromium.goto("about:blank")  # what the page says of its lost kernel is not the next scene's
    assert not scene.complaints
