"""The artifact store on object storage, on the best emulator of each service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from blake3 import blake3

from tests.servers.object_stores import CLOUDS, make_store, other_machine
from zenbook.artifact_stores.object_storage.object_store import ObjectStore
from zenbook.errors import ArtifactError

MB = 1024 * 1024


def content(store: ObjectStore, address: str) -> bytes:
    with store.open(address) as file:
        return file.read()


def test_bytes_come_back_on_another_machine_under_the_digest_of_their_content(store, options, tmp_path):
    for data in (b"what a step made", b"", os.urandom(9 * MB)):
        digest = blake3(data).hexdigest()
        for stored in (
            store.put(lambda file, data=data: file.write(data), suffix=".txt"),
            store.put_bytes(data, suffix=".txt"),
        ):
            assert (stored.digest, stored.size) == (digest, len(data))
            assert stored.address == f"{digest[:2]}/{digest[2:]}.txt"
        other = other_machine(options, tmp_path)
        assert other.exists(stored.address)
        assert content(other, stored.address) == data
        assert other.local_path(stored.address).read_bytes() == data
        assert other.uri(stored.address).endswith(f"/{stored.address}")
        assert "://" in other.uri(stored.address)


@pytest.mark.parametrize("suffix", ["", ".a.b.c", ".UPPER-case_1", ".json", ".gz"])
def test_a_suffix_of_any_form_is_part_of_the_address(store, options, tmp_path, suffix):
    stored = store.put_bytes(b"named", suffix=suffix)
    assert stored.address.endswith(suffix)
    assert other_machine(options, tmp_path).local_path(stored.address).read_bytes() == b"named"


def test_a_wrong_address_is_refused(store):
    for wrong in ("../etc/passwd", "ab", "zz/" + "0" * 62, f"ab/{'0' * 62}/x"):
        for ask in (store.exists, store.local_path, store.open, store.uri, store.delete):
            with pytest.raises(ArtifactError, match="is not the address of an artifact"):
                ask(wrong)
    with pytest.raises(ValueError, match="suffix"):
        store.put_bytes(b"x", suffix="../x")


def test_listing_gives_what_is_stored_with_size_and_time(store, options, tmp_path):
    assert list(store.listing()) == []
    stored = {store.put_bytes(f"number {n}".encode() * (n + 1), suffix=".txt") for n in range(5)}
    listed = list(other_machine(options, tmp_path).listing())
    assert [file.address for file in listed] == sorted(artifact.address for artifact in stored)
    assert {file.address: file.size for file in listed} == {artifact.address: artifact.size for artifact in stored}
    assert all(abs(file.modified_at - time.time()) < 120 for file in listed)


@pytest.mark.parametrize("name", CLOUDS)
def test_a_listing_has_more_than_one_thousand_objects(name, servers, tmp_path):
    store = make_store(name, tmp_path, **servers.options(name, tmp_path))
    fs, root = store._remote._filesystem()
    fs.pipe({f"{root}/{n % 256:02x}/{n:062x}": b"x" for n in range(1200)})
    assert len(list(store.listing())) == 1200


def test_deleting_is_seen_everywhere_and_may_be_repeated(store, options, tmp_path):
    stored = store.put_bytes(b"short-lived", suffix=".txt")
    other = other_machine(options, tmp_path)
    assert other.exists(stored.address)
    store.delete(stored.address)
    store.delete(stored.address)
    for machine in (store, other):
        assert not machine.exists(stored.address)
        with pytest.raises(ArtifactError, match=r"isn't in the store .* any more"):
            machine.local_path(stored.address)
        with pytest.raises(ArtifactError, match="any more"), machine.open(stored.address):
            pass
    assert list(store.listing()) == []


def test_no_directory_cache_hides_what_others_stored_or_removed(store, options, tmp_path):
    other = other_machine(options, tmp_path)
    assert list(other.listing()) == []
    stored = store.put_bytes(b"new", suffix=".txt")
    assert other.exists(stored.address)
    assert [file.address for file in other.listing()] == [stored.address]
    store.delete(stored.address)
    assert not other.exists(stored.address)
    assert list(other.listing()) == []


def test_what_the_writer_raises_passes_through_and_nothing_is_stored(store, tmp_path):
    def write(file: Any) -> None:
        file.write(b"half")
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        store.put(write, suffix=".txt")
    with pytest.raises(ZeroDivisionError), store.together():
        store.put(write, suffix=".txt")
    assert list(store.listing()) == []
    assert not [path for path in (tmp_path / ".zen").rglob("*") if path.is_file()]


def test_the_check_writes_reads_and_removes(store):
    assert store.check().endswith("writes and reads")
    assert store.describe().startswith("objects in ")
    assert list(store.listing()) == []


def test_all_have_arrived_at_the_end_of_a_block(store, options, tmp_path):
    with store.together():
        stored = [store.put_bytes(f"one of many {n}".encode(), suffix=".txt") for n in range(40)]
        again = store.put_bytes(b"one of many 0", suffix=".txt")
        assert store.local_path(again.address).read_bytes() == b"one of many 0"
    other = other_machine(options, tmp_path)
    assert len(list(other.listing())) == 40
    other.fetch([artifact.address for artifact in stored] + ["ab/" + "0" * 62])
    copies = list(other._cache.folder.listing())
    assert len(copies) == 40
    for artifact in stored:
        assert other.local_path(artifact.address).read_bytes().startswith(b"one of many")


FORKED = """
import json, os, signal, sys
from pathlib import Path
from tests.servers.object_stores import other_machine, make_store

name, options, home = json.loads(sys.argv[1])
store = make_store(name, Path(home), **options)
stored = store.put_bytes(b"from the parent", suffix=".txt")
if child := os.fork():
    sys.exit(os.waitpid(child, 0)[1])
signal.alarm(120)  # to end what hangs
assert store.exists(stored.address)
store.put_bytes(b"from the child", suffix=".txt")
"""


def test_a_forked_process_uses_the_store_and_ends(store, options, tmp_path):
    """In a process of its own: a child of this one would wait for threads of whatever tests ran before."""
    if options[0] == "memory":
        return  # the child has other memory
    arguments = json.dumps([*options, str(tmp_path / "forked")])
    done = subprocess.run(
        [sys.executable, "-c", FORKED, arguments], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list(store.listing())) == 2
