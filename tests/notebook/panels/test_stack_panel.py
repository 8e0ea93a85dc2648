"""The stack panel in a real JupyterLab: each test is a scene, and leaves screenshots beside its notebook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, WebSocket, expect

from notebooks.servers import MariaDB, free_port
from tests.notebook.lab import LabNotebook
from tests.notebook.panels.scene import NEEDS_BROWSER, Scene

pytestmark = NEEDS_BROWSER

SECRET = "very-secret-4711"
PANEL = "%load_ext zenbook\n%zen panel"


class StackScene(Scene):
    """A scene with a workspace of its own, and all that the kernel said to the page."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.page, scene.url, scene.folder / scene.name, scene.shots, scene.name)
        self.complaints = scene.complaints
        self.frames: list[str] = []

    def open(self, cells: list[str]) -> LabNotebook:
        """Open a new notebook with the panel, and run its first cell."""
        self.folder.mkdir()
        return self.open_file(f"{self.name}/{self.name}.ipynb", [PANEL, *cells])

    def zen(self, *words: str) -> None:
        """What another process does in the same workspace."""
        code = "from zenbook.cli import main; main()"
        subprocess.run([sys.executable, "-c", code, *words], cwd=self.folder, check=True, capture_output=True)

    def shot(self, name: str) -> None:
        """Take a picture."""
        super().shot(f"stack-{name}")


@pytest.fixture
def stacks(scene: Scene) -> Iterator[StackScene]:
    own = StackScene(scene)

    def collect(frame: str | bytes) -> None:
        own.frames.append(frame if isinstance(frame, str) else frame.decode("utf-8", "replace"))

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", collect)

    scene.page.on("websocket", listen)
    yield own
    scene.page.remove_listener("websocket", listen)


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with MariaDB() as one:
        one.execute(
            f"CREATE USER 'me'@'%' IDENTIFIED BY '{SECRET}'", "GRANT ALL ON *.* TO 'me'@'%'", "CREATE DATABASE zenbook"
        )
        yield one


def shown(book: LabNotebook) -> Locator:
    return book.root.locator(".zb-stacks")


def pick(panel: Locator) -> Locator:
    return panel.get_by_label("Stack", exact=True)


OTHER = (
    "import zenbook\n"
    "zenbook.components.register('orchestrator', 'mine', 'process')\n"
    "zenbook.stacks.register('other', orchestrator='mine');"
)


def test_a_stack_is_picked_by_mouse_and_by_keyboard(stacks: StackScene) -> None:
    book = stacks.open([OTHER, "zenbook.Stack.named().name", "%zen stack use other"])
    panel = shown(book)
    expect(panel.get_by_role("img", name="works")).to_have_count(3)
    expect(pick(panel).locator("option:checked")).to_have_text("default – active")
    stacks.shot("active")

    book.run(1)
    expect(pick(panel).locator("option")).to_have_text(["default – active", "other"])
    pick(panel).select_option("other")
    expect(panel.locator(".zb-rows")).to_contain_text("local → mine process")
    expect(panel.locator(".zb-rows")).to_contain_text("local sqlite stays")
    stacks.shot("preview")
    panel.get_by_role("button", name="Use", exact=True).click()
    expect(panel).to_contain_text("The stack other is active.")
    expect(panel.locator(".zb-did code")).to_have_text("%zen stack use other")
    book.run(2)
    expect(book.output(2).first).to_have_text("'other'")

    pick(panel).focus()
    keys = stacks.page.keyboard
    keys.press("ArrowUp")
    expect(pick(panel)).to_have_value("default")
    keys.press("Tab")
    expect(panel.get_by_role("button", name="Use", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(panel.locator(".zb-did code")).to_have_text("%zen stack use default")
    expect(pick(panel)).to_be_focused()

    book.run(3)  # by a magic
    expect(panel).to_contain_text("The stack other is active.", timeout=2_000)
    expect(pick(panel)).to_have_value("other")
    stacks.zen("stack", "use", "default", "--no-check")  # by another process
    expect(pick(panel)).to_have_value("default", timeout=2_000)
    stacks.shot("switched")


def test_a_stack_that_fails_its_check_is_used_only_without_checking(stacks: StackScene) -> None:
    port = free_port()
    broken = (
        "import zenbook\n"
        f"zenbook.components.register('metadata_store', 'away', 'mysql', host='127.0.0.1', port={port}, patience=0)\n"
        "zenbook.stacks.register('broken', metadata_store='away', production=True);"
    )
    book = stacks.open([broken])
    panel = shown(book)
    book.run(1)
    pick(panel).select_option("broken")
    panel.get_by_role("button", name="Use", exact=True).click()
    expect(panel).to_contain_text("The stack was not switched: the check of its metadata store failed.")
    expect(panel.get_by_role("img", name="does not work")).to_have_count(1)
    expect(panel.locator(".zb-found").nth(1)).to_contain_text(f"127.0.0.1:{port}")
    stacks.shot("failed")
    stacks.page.set_viewport_size({"width": 560, "height": 900})
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth + 1")
    stacks.shot("narrow")
    stacks.page.set_viewport_size({"width": 1100, "height": 1400})
    panel.get_by_role("button", name="Use without checking").click()
    expect(panel.locator(".zb-did code")).to_have_text("%zen stack use broken --no-check")
    expect(pick(panel).locator("option:checked")).to_have_text("broken (production) – active")


def test_a_store_is_registered_with_a_wrong_port_and_then_the_right_one(stacks: StackScene, server: MariaDB) -> None:
    book = stacks.open(["print(open('.zen/config.yaml').read())"])
    panel = shown(book)
    panel.get_by_role("button", name="Register a component").click()
    form = panel.get_by_role("form", name="Register a component")
    form.get_by_label("Kind", exact=True).select_option("metadata_store")
    form.get_by_label("Flavour", exact=True).select_option("mysql")
    form.get_by_label("Name *", exact=True).fill("prod-db")
    field = form.get_by_label("port", exact=True)
    expect(field).to_have_attribute("placeholder", "3306")
    field.fill("99999")
    form.get_by_label("username", exact=True).fill("me")
    password = form.get_by_label("password", exact=True)
    expect(password).to_have_attribute("type", "password")
    password.fill(SECRET)
    expect(form).to_contain_text("Input should be less than or equal to 65535")
    expect(field).to_have_attribute("aria-invalid", "true")
    form.get_by_role("button", name="Save").click()
    expect(field).to_be_focused()
    stacks.shot("wrong-port")

    wrong = str(free_port())
    field.fill(wrong)
    form.get_by_role("button", name="Test connection").click()
    expect(form.locator(".zb-message")).to_contain_text(f"127.0.0.1:{wrong}", timeout=30_000)  # it is tried for 3 s
    stacks.shot("no-server")
    field.fill(str(server.port))
    form.get_by_role("button", name="Test connection").click()
    expect(form.locator(".zb-message [data-state=succeeded]").first).to_be_visible()
    stacks.shot("right-port")
    form.get_by_role("button", name="Save").click()
    expect(panel.locator(".zb-did code")).to_have_text(
        f"%zen metadata-store register prod-db mysql --port {server.port} --username me --password"
    )
    expect(password).to_have_value("")

    panel.get_by_role("button", name="Register a stack").click()
    form = panel.get_by_role("form", name="Register a stack")
    form.get_by_label("Name *", exact=True).fill("prod")
    form.get_by_label("metadata store", exact=True).select_option("prod-db")
    stacks.page.keyboard.press("Tab")
    form.get_by_role("button", name="Save").click()
    expect(panel.locator(".zb-did code")).to_contain_text("%zen stack register prod")
    pick(panel).select_option("prod")
    panel.get_by_role("button", name="Use", exact=True).click()
    expect(panel).to_contain_text("The stack prod is active.")
    expect(panel.get_by_role("img", name="works")).to_have_count(3)
    stacks.page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    expect(stacks.page.locator("body[data-jp-theme-light=false]")).to_have_count(1)
    panel.get_by_role("button", name="Register a component").click()
    stacks.shot("dark")
    stacks.page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
    )
    expect(stacks.page.locator("body[data-jp-theme-light=true]")).to_have_count(1)

    book.run(1)
    expect(book.output(1).first).to_contain_text("password: keyring:")
    book.command("docmanager:save")
    assert SECRET not in (stacks.folder / f"{stacks.name}.ipynb").read_text()
    assert any("prod-db" in one for one in stacks.frames)
    assert not [one for one in stacks.frames if SECRET in one]


def test_tab_completes_names_in_a_cell(stacks: StackScene) -> None:
    book = stacks.open([OTHER, ""])
    book.run(1)
    book.done(1)
    keys = stacks.page.keyboard
    book.root.locator(".jp-CodeCell").nth(2).locator(".cm-content").click()
    keys.type("%zen stack use o")
    keys.press("Tab")
    offered = stacks.page.locator(".jp-Completer")
    expect(offered.locator(".jp-mod-active")).to_contain_text("other")
    stacks.shot("completion")
    keys.press("Enter")
    expect(book.root.locator(".jp-CodeCell").nth(2).locator(".cm-content")).to_have_text("%zen stack use other")


def test_the_panel_answers_while_a_cell_runs(stacks: StackScene) -> None:
    wait = "import time\nfrom pathlib import Path\nwhile not Path('go').exists():\n    time.sleep(0.02)"
    book = stacks.open([OTHER, wait])
    panel = shown(book)
    book.run(1)
    book.run(2, wait=False)
    pick(panel).select_option("other")
    panel.get_by_role("button", name="Use", exact=True).click()
    expect(panel).to_contain_text("The stack other is active.")
    (stacks.folder / "go").touch()
    book.done(2)
    book.restart()
    expect(panel).to_contain_text("The kernel has stopped")
    expect(pick(panel)).to_be_disabled()
