"""Front ends that show no widgets, as VS Code and Colab: pictures and tables, with nothing wrong said about them."""

from __future__ import annotations

from pathlib import Path

from tests.notebook.kernels import LIMIT, Kernel, kernel

STEPS = """
import time
from pathlib import Path
import zenbook
from zenbook import pipeline, step

@step(cache=False)
def first():
    return 1

@step(cache=False)
def waits(x, file: str):
    while not Path(file).exists():
        time.sleep(0.02)
    return x

@pipeline
def waiting(file: str = "go"):
    waits(first(), file)
"""
PANELS = ("%zen panel", "zenbook.panel()", "%zen panel runs", "run = waiting()", "%zen panel latest")


def test_without_a_jupyter_server_panels_are_tables_and_pictures(k: Kernel, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    k.run(STEPS + "waiting();")
    for line in PANELS:
        done = k.run(line)
        (shown,) = done.of("display")
        assert set(shown["data"]) == {"text/html", "text/plain"}, line
        assert "zb-at-" not in shown["data"]["text/html"], "there is nothing live to wait for"
        assert "default" in done.text or "waiting" in done.text
        for word in ("widget", "kernel", "State at"):
            assert word not in done.text, (line, word)
    assert k.run("'anywidget' in __import__('sys').modules").result == "False"


def test_a_page_that_says_nothing_gets_pictures_while_a_run_goes_on(tmp_path: Path) -> None:
    """As VS Code on a Jupyter server: the kernel can't know that no widgets are shown there."""
    with kernel(tmp_path, JPY_SESSION_NAME=str(tmp_path / "book.ipynb")) as one:
        one.run("%load_ext zenbook")
        one.run(STEPS)
        message = one.start("waiting();")
        pictures: list[str] = []
        while len(pictures) < 3:
            told = one.client.get_iopub_msg(timeout=LIMIT)
            if told["msg_type"] == "update_display_data":
                pictures.append(told["content"]["data"]["text/plain"])
        assert len(set(pictures)) == 3
        assert all("1 ran, 1 running" in picture for picture in pictures[1:])
        (tmp_path / "go").touch()
        assert not one.finish(message).error


def test_what_is_noted_before_the_end_and_sent_after_it_changes_no_line(k: Kernel) -> None:
    shown = k.run(
        "%load_ext zenbook\nfrom zenbook.notebook.panels.run_panel import RunPanel\nfrom zenbook.display.run_view import RunView, StepView\n"
        "from zenbook.core.events import StepStarted\n"
        "panel = RunPanel(RunView('r', 'one', steps={'one': StepView('one')}), small=True)\npanel.show()\n"
        "panel.on_event(StepStarted('r', 'one'))\npanel.end({'text/html': 'done', 'text/plain': 'done'})\n"
        "panel.on_event(StepStarted('r', 'one'))\npanel.flush()"
    )
    assert [one["data"]["text/plain"] for one in shown.of("display")] == ["done"]
