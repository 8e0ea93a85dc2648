"""Disks that are full or read-only, as root makes them for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import OTHER_KIND
from tests.flavours.object_stores import Servers


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{OTHER_KIND} this machine mounts nothing: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small disk"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Make a folder and all below it read-only, for root too."""
    made: list[Path] = []

    def make_read_only(folder: Path) -> None:
        made.append(folder)
        if os.geteuid():
            _set_mode(folder, 0o555)
        else:
            _mount("--bind", str(folder), str(folder))
            _mount("-o", "remount,bind,ro", str(folder))

    yield make_read_only
    for folder in made:
        if os.geteuid():
            _set_mode(folder, 0o755)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _set_mode(folder: Path, mode: int) -> None:
    for one in (folder, *folder.rglob("*")):
        if one.is_dir():
            one.chmod(mode)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Emulators of object storage, started when they are first wanted."""
    made = Servers()
    yield made
    made.stop()
