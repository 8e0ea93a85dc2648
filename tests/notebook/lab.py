"""A real JupyterLab in headless Chromium."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, expect, sync_playwright

from tests.notebook.kernels import without_settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
expect.set_options(
    timeout=20_000
)  # the machine may be busy; what is promised has a limit of its own where it is asserted
_START = 90  # seconds
_READY = """async () => {
    const wait = () => new Promise(done => setTimeout(done, 50));
    while (!window.jupyterapp) await wait();
    const app = window.jupyterapp;
    await app.restored;
    while (!(app.shell.currentWidget && app.shell.currentWidget.sessionContext)) await wait();
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    while (!panel.sessionContext.session?.kernel) await wait();
    await panel.sessionContext.session.kernel.info;
}"""


def write_notebook(path: Path, cells: list[str], kernel_name: str = "python3") -> None:
    """Write a notebook of code cells for the kernel of this environment, or for one of the server's own."""
    kernel = {"name": kernel_name, "display_name": kernel_name, "language": "python"}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    made.metadata["kernelspec"] = kernel
    nbformat.write(made, path)


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """A JupyterLab that serves a folder on the loopback address; the value is its URL."""
    own = folder / ".jupyter"
    settings = own / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    environment = {
        **without_settings(),
        "JUPYTER_CONFIG_DIR": str(own),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    port = _free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    options = ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--expose-app-in-browser"]
    with (own / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, *options, f"--ServerApp.root_dir={folder}"], stdout=log, stderr=log, env=environment
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api/status", server, own / "server.log")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, log.read_text()[-2000:]
            time.sleep(0.1)  # between two questions to a server that is starting
    raise AssertionError(log.read_text()[-2000:])


@contextmanager
def browser() -> Iterator[Page]:
    """A page in headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1100, "height": 1400})
        page.set_default_timeout(30_000)
        try:
            yield page
        finally:
            chromium.close()


class LabNotebook:
    """One notebook, open in the page."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page = page
        page.goto(f"{url}/lab/workspaces/w{time.time_ns()}/tree/{name}?reset")
        page.evaluate(_READY)
        self.root = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def command(self, name: str, *, wait: bool = True) -> None:
        """Execute a command of JupyterLab."""
        run = "name => window.jupyterapp.commands.execute(name).then(() => true)"
        self.page.evaluate(run if wait else "name => { window.jupyterapp.commands.execute(name) }", name)

    def run(self, cell: int, *, wait: bool = True) -> None:
        """Run a cell; without ``wait`` go on while it runs."""
        self.page.evaluate("n => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = n }", cell)
        self.command("notebook:run-cell", wait=wait)

    def done(self, cell: int) -> None:
        """Wait until a cell has ended; the kernel's own indicator may say idle when it has answered a widget."""
        prompt = self.root.locator(".jp-CodeCell").nth(cell).locator(".jp-InputArea-prompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=60_000)

    def restart(self) -> None:
        """Restart the kernel, and wait for the new one."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        self.page.evaluate(_READY)
        self.page.wait_for_function(  # what a kernel says while the page connects anew is lost
            """() => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
                return kernel?.connectionStatus === "connected" && kernel.status === "idle";
            }"""
        )

    def output(self, cell: int) -> Any:
        """The output area of a cell."""
        return self.root.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")

    def idle(self) -> None:
        """Wait until the kernel is idle."""
        expect(self.root.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first).to_be_visible(
            timeout=60_000
        )
