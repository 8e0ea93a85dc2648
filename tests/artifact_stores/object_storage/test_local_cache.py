"""Local copies of remote artifacts."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.object_stores import Servers, make_store
from tests.servers.proxy import Proxy
from zenbook.artifact_stores.content_addressed import STALE_SECONDS
from zenbook.artifact_stores.object_storage.local_cache import KEEP_SECONDS
from zenbook.artifact_stores.object_storage.object_store import ObjectStore
from zenbook.errors import ArtifactError, StoreError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def far(servers: Servers, tmp_path: Path) -> Callable[..., ObjectStore]:
    """A store in one folder of this machine, with a cache by name."""
    options = servers.options("filesystem", tmp_path)
    return lambda name="one", **more: make_store("filesystem", tmp_path / name, **{**options, **more})


def age(path: Path, seconds: float = 2 * KEEP_SECONDS) -> None:
    """Set when a copy was last used."""
    then = time.time() - seconds
    os.utime(path, (then, path.stat().st_mtime))


def copies(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "cache").rglob("*") if path.is_file() and path.name != "lock")


def far_file(tmp_path: Path, address: str) -> Path:
    return tmp_path / "far" / address


def test_what_was_written_is_read_without_a_download(far, tmp_path):
    store = far()
    stored = store.put_bytes(b"mine", suffix=".txt")
    far_file(tmp_path, stored.address).unlink()
    assert store.local_path(stored.address).read_bytes() == b"mine"
    assert not store.exists(stored.address)


def test_copies_are_read_only_files_below_the_workspace(far, tmp_path):
    stored = far().put_bytes(b"mine", suffix=".txt")
    for name in ("one", "two"):
        path = far(name).local_path(stored.address)
        assert path == tmp_path / name / "cache" / stored.address
        assert path.stat().st_mode & 0o777 == 0o444
        assert copies(tmp_path / name) == [path]


def test_the_cache_stays_within_its_limit_and_keeps_what_was_used_last(far, tmp_path):
    store = far(cache_size=1_000_000)
    stored = [store.put_bytes(os.urandom(100_000), suffix=".bin") for _ in range(9)]
    for n, artifact in enumerate(stored):
        age(store.local_path(artifact.address), 5000 - n)
    used = store.local_path(stored[0].address)  # the oldest is the newest now
    for _ in range(6):
        store.put_bytes(os.urandom(100_000), suffix=".bin")
    assert sum(path.stat().st_size for path in copies(tmp_path / "one")) <= 1_000_000
    assert used.exists()
    assert not (used.parent.parent / stored[1].address).exists()
    assert store.local_path(stored[1].address).stat().st_size == 100_000  # downloaded again
    assert len(list(store.listing())) == 15


def test_a_young_copy_is_not_removed_even_beyond_the_limit(far, tmp_path):
    store = far(cache_size=100_000)
    paths = [store.local_path(store.put_bytes(os.urandom(60_000), suffix=".bin").address) for _ in range(5)]
    assert all(path.exists() for path in paths)


def test_using_a_copy_changes_only_its_access_time(far):
    store = far()
    path = store.local_path(store.put_bytes(b"mine", suffix=".txt").address)
    age(path)
    before = path.stat()
    store.local_path(str(path.relative_to(path.parents[1])))
    assert path.stat().st_atime > before.st_atime
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_corrupt_copy_is_noticed_and_replaced(far, tmp_path):
    stored = far().put_bytes(b"the right bytes", suffix=".txt")
    path = far().local_path(stored.address)
    path.chmod(0o644)
    path.write_bytes(b"the wrong bytes")
    for _ in range(2):
        assert far().local_path(stored.address).read_bytes() == b"the right bytes"


def test_a_download_that_is_corrupt_once_is_tried_again(servers, tmp_path):
    options = servers.options("s3", tmp_path)
    with Proxy(servers["s3"].endpoint) as proxy:
        stored = make_store("s3", tmp_path / "one", **options).put_bytes(b"the right bytes", suffix=".txt")
        spoiled: list[str] = []

        def spoil(method: str, path: str, body: bytes) -> bytes:
            if method == "GET" and stored.address in path and not spoiled:
                spoiled.append(path)
                return b"the wrong bytes"
            return body

        proxy.spoil = spoil
        reader = make_store("s3", tmp_path / "two", **{**options, "endpoint_url": proxy.url})
        assert reader.local_path(stored.address).read_bytes() == b"the right bytes"
        assert spoiled


def test_a_corrupt_object_is_an_artifact_error_and_leaves_no_copy(far, tmp_path):
    stored = far().put_bytes(b"the right bytes", suffix=".txt")
    target = far_file(tmp_path, stored.address)
    target.chmod(0o644)
    target.write_bytes(b"the wrong bytes")
    with pytest.raises(ArtifactError, match="is damaged") as caught:
        far("two").local_path(stored.address)
    assert "--no-cache" in caught.value.hint
    assert copies(tmp_path / "two") == []


def test_two_processes_download_and_evict_at_once(servers, tmp_path):
    options = servers.options("filesystem", tmp_path)
    store = make_store("filesystem", tmp_path / "one", **options)
    stored = [store.put_bytes(os.urandom(50_000), suffix=".bin") for _ in range(30)]
    code = textwrap.dedent(f"""
        import random
        from blake3 import blake3
        from pathlib import Path
        from tests.servers.object_stores import make_store

        store = make_store("filesystem", Path({str(tmp_path / "two")!r}), **{ {**options, "cache_size": 400_000}!r})
        artifacts = {[(artifact.address, artifact.digest) for artifact in stored]!r}
        for _ in range(4):
            random.shuffle(artifacts)
            for address, digest in artifacts:
                assert blake3(store.local_path(address).read_bytes()).hexdigest() == digest
    """)
    reader = make_store("filesystem", tmp_path / "two", **options)
    for artifact in stored[:15]:
        age(reader.local_path(artifact.address))  # so that there is something to remove while others are downloaded
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    children = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert not list((tmp_path / "two" / "cache" / "tmp").iterdir())


def test_files_of_killed_downloads_are_removed_after_a_day(far, tmp_path):
    left = tmp_path / "one" / "cache" / "tmp" / "0123456789abcdef"
    left.parent.mkdir(parents=True)
    for seconds, stays in ((STALE_SECONDS / 2, True), (STALE_SECONDS * 2, False)):
        left.write_bytes(b"half")
        os.utime(left, (time.time() - seconds, time.time() - seconds))
        far().put_bytes(f"another {seconds}".encode(), suffix=".txt")
        assert left.exists() is stays


def test_a_full_local_disk_is_reported_with_a_hint(servers, tmp_path, small_disk):
    options = servers.options("filesystem", tmp_path)
    stored = make_store("filesystem", tmp_path / "one", **options).put_bytes(os.urandom(2_000_000), suffix=".bin")
    full = make_store("filesystem", small_disk, **options)
    for ask in (
        lambda: full.local_path(stored.address),
        lambda: full.put_bytes(os.urandom(3_000_000), suffix=".bin"),
    ):
        with pytest.raises(
            StoreError, match=r"Cannot write to the download cache '.*small disk/cache': the disk is full"
        ) as caught:
            ask()
        assert "cache_size" in caught.value.hint
        assert copies(small_disk) == []


def test_a_full_remote_disk_is_reported(servers, tmp_path, small_disk):
    store = make_store("filesystem", tmp_path / "one", path=f"file://{small_disk}/far", retry_seconds=0)
    with pytest.raises(StoreError, match="it is full"):
        store.put_bytes(os.urandom(3_000_000), suffix=".bin")
    assert list(store.listing()) == []
