"""What the object store sends and receives, and what readers see meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from tests.servers.object_stores import CLOUDS, Servers, make_store, other_machine
from tests.servers.proxy import DROP, Proxy
from zenbook.errors import StoreError

MB = 1024 * 1024


@pytest.fixture(params=CLOUDS)
def watched(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path):
    """A store behind a proxy."""
    name = request.param
    options = servers.options(name, tmp_path)
    with Proxy(servers[name].endpoint) as proxy:
        options["endpoint_url"] = proxy.url
        yield proxy, (lambda folder="one": make_store(name, tmp_path / folder, **options))


def test_bytes_that_the_store_has_are_not_sent_again(watched):
    proxy, make = watched
    data = os.urandom(300_000)
    make("one").put_bytes(data, suffix=".bin")
    assert proxy.sent >= len(data)
    proxy.sent = 0
    make("two").put_bytes(data, suffix=".bin")
    make("one").put_bytes(data, suffix=".bin")
    assert proxy.sent < 10_000


def test_an_object_of_another_size_is_replaced(watched, servers):
    proxy, make = watched
    store = make()
    stored = store.put_bytes(b"the whole of it", suffix=".txt")
    fs, root = store._remote._filesystem()
    fs.pipe_file(f"{root}/{stored.address}", b"the who")
    store.put_bytes(b"the whole of it", suffix=".txt")
    assert make("two").local_path(stored.address).read_bytes() == b"the whole of it"


def test_the_second_load_sends_no_request(watched):
    proxy, make = watched
    stored = make("one").put_bytes(os.urandom(100_000), suffix=".bin")
    reader = make("two")
    first = reader.local_path(stored.address)
    before = len(proxy.calls)
    assert reader.local_path(stored.address) == first
    assert make("two").local_path(stored.address) == first  # another process, say
    assert make("one").local_path(stored.address).read_bytes() == first.read_bytes()
    assert len(proxy.calls) == before


def test_uploads_of_a_block_run_side_by_side(watched):
    proxy, make = watched
    store = make()
    together = threading.Barrier(4, timeout=20)

    def meet(method: str, path: str) -> None:
        if method in ("PUT", "POST"):
            together.wait()

    store.check()
    proxy.before = meet
    with store.together():
        for n in range(4):
            store.put_bytes(os.urandom(1000) + bytes([n]), suffix=".bin")
    assert not together.broken
    proxy.before = lambda method, path: None
    assert len(list(store.listing())) == 4


def test_downloads_run_side_by_side(watched):
    proxy, make = watched
    with make("one").together():
        stored = [make("one").put_bytes(os.urandom(1000) + bytes([n]), suffix=".bin") for n in range(4)]
    reader = make("two")
    together = threading.Barrier(4, timeout=20)
    met = set()

    def meet(method: str, path: str) -> None:
        address = next((item.address for item in stored if item.address[3:] in path and method == "GET"), None)
        with proxy.lock:
            new = address is not None and address not in met
            met.add(address)
        if new:
            together.wait()

    proxy.before = meet
    reader.fetch([item.address for item in stored])
    assert not together.broken
    assert len(list(reader._cache.folder.listing())) == 4


def test_the_first_failed_upload_of_a_block_is_raised_at_its_end(watched):
    proxy, make = watched
    store = make()
    store.check()
    proxy.answer = lambda method, path: (403, b"") if method in ("PUT", "POST") else None
    reached = False
    with pytest.raises(StoreError, match="do not have the right"), store.together():
        for n in range(12):
            store.put_bytes(f"never {n}".encode(), suffix=".txt")
        reached = True
    assert reached
    proxy.answer = lambda method, path: None
    assert list(store.listing()) == []


@pytest.mark.parametrize("status", [503, DROP])
def test_a_large_upload_continues_after_an_error(watched, status):
    proxy, make = watched
    data = os.urandom(20 * MB)
    store = make()
    store.check()
    proxy.fail_first(1, status, methods=("PUT", "POST"))
    first = proxy.answer
    seen: list[str] = []

    def answer(method: str, path: str) -> tuple[int, bytes] | None:
        seen.append(method)
        return first(method, path) if seen.count("PUT") + seen.count("POST") > 1 else None

    proxy.answer = answer
    stored = store.put(lambda file: file.write(data), suffix=".bin")
    assert make("two").local_path(stored.address).read_bytes() == data


def test_a_file_of_many_parts_comes_back_from_google(servers, tmp_path, monkeypatch):
    monkeypatch.setattr("zenbook.artifact_stores.object_storage.gcs_client.PART_BYTES", MB)
    options = servers.options("gcs", tmp_path)
    data = os.urandom(9 * MB + 12345)
    stored = make_store("gcs", tmp_path / "one", **options).put_bytes(data, suffix=".bin")
    assert make_store("gcs", tmp_path / "two", **options).local_path(stored.address).read_bytes() == data


# --- whole objects only -----------------------------------------------------------------------------------------------


def test_no_reader_sees_half_an_object(store, options, tmp_path):
    data = os.urandom(24 * MB)
    digest = blake3(data).hexdigest()
    address = f"{digest[:2]}/{digest[2:]}.bin"
    reader = other_machine(options, tmp_path)
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.update(file.size for file in reader.listing())
            if reader.exists(address):
                seen.add(reader._remote.has_object_of_size(address, len(data)) and len(data))

    looking = threading.Thread(target=look)
    looking.start()
    store.put_bytes(data, suffix=".bin")
    done.set()
    looking.join()
    assert seen <= {len(data)}


def putting(name: str, home: Path, options: dict[str, Any], size: int) -> subprocess.Popen[bytes]:
    """A process that stores so many bytes."""
    code = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from tests.servers.object_stores import other_machine, make_store

        make_store({name!r}, Path({str(home)!r}), **{options!r}).put_bytes(os.urandom({size}), suffix=".bin")
    """)
    root = Path(__file__).parents[3]
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})


@pytest.mark.parametrize("name", CLOUDS)
def test_a_killed_upload_leaves_nothing_visible(name, servers, tmp_path):
    options = servers.options(name, tmp_path)
    with Proxy(servers[name].endpoint) as proxy:
        uploads: list[str] = []
        child: list[subprocess.Popen[bytes]] = []
        started = threading.Event()

        def kill(method: str, path: str) -> None:
            if method in ("PUT", "POST"):
                uploads.append(method)
            if len(uploads) == 3:  # the beginning of a multipart upload, a part, and now
                started.wait()
                child[0].kill()
                proxy.answer = lambda method, path: (DROP, b"")  # what it had sent by then goes nowhere

        proxy.before = kill
        child.append(putting(name, tmp_path / "killed", {**options, "endpoint_url": proxy.url}, 120 * MB))
        started.set()
        assert child[0].wait() == -9
    store = make_store(name, tmp_path / "after", **options)
    assert list(store.listing()) == []


def test_a_killed_copy_to_a_plain_filesystem_leaves_nothing_visible(servers, tmp_path):
    options = servers.options("filesystem", tmp_path)
    child = putting("filesystem", tmp_path / "killed", options, 400 * MB)
    staging = tmp_path / "far" / "tmp"
    while child.poll() is None and not (staging.is_dir() and any(staging.iterdir())):
        time.sleep(0.001)
    child.kill()
    assert child.wait() == -9
    assert list(make_store("filesystem", tmp_path / "after", **options).listing()) == []
    assert len(list(staging.iterdir())) == 1
