"""``make demo`` and ``make lab`` in a fresh clone, as a new user types them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMIT = 900  # seconds: packages are downloaded


@pytest.mark.slow
@pytest.mark.timeout(LIMIT + 120)
def test_the_first_two_things_that_a_new_user_types(tmp_path: Path) -> None:
    clone = tmp_path / "zenbook"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    demo = subprocess.run(
        ["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "accuracy" in demo.stdout
    assert "2 ran, 2 cached" in demo.stdout
    assert "make lab" in demo.stdout
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout

    lab = subprocess.Popen(
        ["make", "lab"],
        cwd=clone,
        env={**environment, "DISPLAY": "", "WAYLAND_DISPLAY": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert lab.stdout is not None
        url = next(found[0] for line in lab.stdout if (found := re.findall(r"http://127\.0\.0\.1\S+token=\S+", line)))
        assert _answers(url)
    finally:
        os.killpg(lab.pid, signal.SIGTERM)
        lab.wait(30)


def _answers(url: str) -> bool:
    """Whether the server, which prints its address a moment before it listens, gives the page within a minute."""
    end, never = time.monotonic() + 60, threading.Event()
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as page:
                return page.status == 200
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            never.wait(0.2)
