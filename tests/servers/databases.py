"""Disks that are full or read-only, as root makes them for real; databases of every kind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from notebooks.servers import MariaDB, PostgreSQL, Server
from tests.conftest import OTHER_KIND
from tests.servers.object_stores import Servers
from zenbook.errors import StoreError
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunQuery


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
    folders: list[Path] = []

    def make_read_only(folder: Path) -> None:
        folders.append(folder)
        if os.geteuid():
            _set_mode(folder, 0o555)
        else:
            _mount("--bind", str(folder), str(folder))
            _mount("-o", "remount,bind,ro", str(folder))

    yield make_read_only
    for folder in folders:
        if os.geteuid():
            _set_mode(folder, 0o755)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _set_mode(folder: Path, mode: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(mode)


# --- servers ----------------------------------------------------------------------------------------------------------

_numbers = count()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        server.__enter__()
    except RuntimeError as error:
        if "is not installed" in str(error):
            pytest.skip(str(error))
        raise
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with running(MariaDB()) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_with_the_limits_of_5_6() -> Iterator[Server]:
    with running(MariaDB("--innodb-default-row-format=compact", "--sql-mode=NO_ENGINE_SUBSTITUTION")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with running(PostgreSQL()) as server:
        yield server


KINDS = ("mariadb", "mariadb_with_the_limits_of_5_6", "postgresql")


def new_database() -> str:
    """A name that no other test uses."""
    return f"zen_{next(_numbers)}"


def store_at(url: str, **options: Any) -> SqlMetadataStore:
    """The metadata store that a URL means."""
    chosen = flavour(ComponentKind.METADATA_STORE, "mysql" if url.startswith("mysql") else "postgresql")
    store = chosen.make(chosen.settings(path=url, **options), Path())
    assert isinstance(store, SqlMetadataStore)
    return store


def error_of(store: MetadataStore) -> StoreError:
    """The error of a store that can't be read."""
    with pytest.raises(StoreError) as caught:
        store.runs(RunQuery())
    store.close()
    assert caught.value.hint
    return caught.value


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server in turn."""
    current: Server = request.getfixturevalue(request.param)
    return current


@pytest.fixture(params=["sqlite", *KINDS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlMetadataStore]:
    """An empty metadata store on each kind of database in turn."""
    if request.param == "sqlite":
        store = sqlite_store(tmp_path / "with space % and ?" / "metadata.db")
    else:
        store = store_at(request.getfixturevalue(request.param).url(new_database()))
    yield store
    store.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Emulators of object storage, started when they are first used."""
    servers = Servers()
    yield servers
    servers.stop()
