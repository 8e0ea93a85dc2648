"""The local artifact store."""

from __future__ import annotations

import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from blake3 import blake3

from zenbook.artifact_stores.content_addressed import STALE_SECONDS
from zenbook.artifact_stores.hashed_file import BUFFER_BYTES
from zenbook.artifact_stores.local_files import LocalArtifactStore
from zenbook.errors import ArtifactError, StoreError


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "artifacts")


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def content(store: LocalArtifactStore, address: str) -> bytes:
    with store.open(address) as file:
        return file.read()


def test_bytes_come_back_under_the_digest_of_their_content(store: LocalArtifactStore) -> None:
    data = b"what a step made"
    digest = blake3(data).hexdigest()
    for stored in (store.put(lambda file: file.write(data), suffix=".txt"), store.put_bytes(data, suffix=".txt")):
        assert stored.digest == digest
        assert stored.address == f"{digest[:2]}/{digest[2:]}.txt"
        assert stored.size == len(data)
        assert content(store, stored.address) == data
        assert store.local_path(stored.address).read_bytes() == data
        assert store.uri(stored.address) == str(store.local_path(stored.address))
        assert store.exists(stored.address)


def test_many_small_and_some_large_writes_are_hashed_in_their_order(store: LocalArtifactStore) -> None:
    pieces = [b"ab", b"", b"x" * (BUFFER_BYTES - 3), b"cd", b"y" * (2 * BUFFER_BYTES), b"e"] * 3
    positions = []

    def write(file: io.BufferedIOBase) -> None:
        for piece in pieces:
            assert file.write(piece) == len(piece)
            positions.append(file.tell())
            file.flush()

    stored = store.put(write, suffix="")  # type: ignore[arg-type]
    whole = b"".join(pieces)
    assert (stored.digest, stored.size, positions[-1]) == (blake3(whole).hexdigest(), len(whole), len(whole))
    assert content(store, stored.address) == whole


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.zeros((0, 3)),
        np.arange(100_000.0),
        np.arange(100.0)[::2],
    ],
    ids=["2-d", "fortran", "empty", "large", "strided"],
)
def test_buffers_of_any_shape_are_written_as_their_bytes(store: LocalArtifactStore, array: np.ndarray) -> None:
    stored = store.put(lambda file: file.write(array.data), suffix=".raw")
    assert content(store, stored.address) == array.tobytes()
    assert stored.size == array.nbytes


def test_numpy_pickle_arrow_and_text_can_write_to_the_file(store: LocalArtifactStore) -> None:
    array, table = np.arange(300_000), pa.table({"a": list(range(1000))})

    def arrow(file: io.BufferedIOBase) -> None:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def text(file: io.BufferedIOBase) -> None:
        with io.TextIOWrapper(file, "utf-8") as lines:  # closes what it wraps
            lines.write("größer\n")

    at = {
        "npy": store.put(lambda file: np.save(file, array), suffix=".npy"),
        "npz": store.put(lambda file: np.savez(file, array=array), suffix=".npz"),
        "pickle": store.put(lambda file: pickle.dump(array, file, protocol=5), suffix=".pickle"),
        "arrow": store.put(arrow, suffix=".arrow"),  # type: ignore[arg-type]
        "text": store.put(text, suffix=".txt"),  # type: ignore[arg-type]
    }
    assert np.array_equal(np.load(store.local_path(at["npy"].address), mmap_mode="c"), array)
    assert np.array_equal(np.load(store.local_path(at["npz"].address))["array"], array)
    assert np.array_equal(pickle.loads(content(store, at["pickle"].address)), array)
    assert pa.ipc.open_file(pa.memory_map(str(store.local_path(at["arrow"].address)))).read_all() == table
    assert content(store, at["text"].address).decode() == "größer\n"
    for stored in at.values():
        assert stored.digest == blake3(content(store, stored.address)).hexdigest()


def test_the_same_bytes_are_stored_once(store: LocalArtifactStore, tmp_path: Path) -> None:
    first = store.put_bytes(b"same", suffix=".txt")
    inode = store.local_path(first.address).stat().st_ino
    assert store.put_bytes(b"same", suffix=".txt") == first
    assert store.put(lambda file: file.write(b"same"), suffix=".txt") == first
    assert files_below(tmp_path) == [store.local_path(first.address)]
    assert store.local_path(first.address).stat().st_ino == inode


def test_a_file_that_lost_its_end_is_replaced(store: LocalArtifactStore) -> None:
    for put in (
        lambda: store.put_bytes(b"whole", suffix=".txt"),
        lambda: store.put(lambda file: file.write(b"whole"), suffix=".txt"),
    ):
        path = store.local_path(put().address)
        path.unlink()
        path.write_bytes(b"")
        put()
        assert path.read_bytes() == b"whole"


def test_artifacts_are_read_only_and_can_be_deleted(store: LocalArtifactStore) -> None:
    address = store.put_bytes(b"mine", suffix=".txt").address
    assert store.local_path(address).stat().st_mode & 0o222 == 0
    store.delete(address)
    store.delete(address)
    assert not store.exists(address)


def test_addresses_lists_artifacts_and_nothing_else(store: LocalArtifactStore, tmp_path: Path) -> None:
    assert list(store.listing()) == []
    stored = {store.put_bytes(b"%d" % n, suffix=".txt").address for n in range(20)}
    (tmp_path / "artifacts/tmp/left").write_bytes(b"")
    (tmp_path / "artifacts/ab").mkdir(exist_ok=True)
    (tmp_path / "artifacts/ab/notes").write_bytes(b"")
    assert {file.address for file in store.listing()} == stored
    assert [file.address for file in store.listing()] == sorted(stored)


def test_a_missing_artifact_is_reported_with_a_hint(store: LocalArtifactStore) -> None:
    address = f"ab/{'0' * 62}.arrow"
    assert not store.exists(address)
    for read in (store.open, store.local_path):
        with pytest.raises(ArtifactError, match=address) as caught:
            read(address)
        assert "--no-cache" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["", "../secret", f"ab/../{'0' * 62}", "/etc/passwd", f"ab/{'0' * 62}/..", f"ab/{'0' * 62}\n", "tmp/x"]
)
def test_an_address_cannot_leave_the_store(store: LocalArtifactStore, address: str) -> None:
    for use in (store.open, store.local_path, store.exists, store.uri, store.delete):
        with pytest.raises(ArtifactError, match="is not the address of an artifact"):
            use(address)


def test_a_writer_that_fails_leaves_nothing_and_its_error_passes(store: LocalArtifactStore, tmp_path: Path) -> None:
    def write(file: io.BufferedIOBase) -> None:
        file.write(b"x" * 2 * BUFFER_BYTES)
        raise OSError(28, "the writer's own, not the disk's")

    with pytest.raises(OSError, match="the writer's own"):
        store.put(write, suffix=".txt")  # type: ignore[arg-type]
    assert files_below(tmp_path) == []


def test_no_descriptor_is_left_open(store: LocalArtifactStore) -> None:
    def write(file: io.BufferedIOBase) -> None:
        raise RuntimeError

    store.put_bytes(b"first", suffix="")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(5):
        store.put_bytes(b"%d" % n, suffix="")
        with pytest.raises(RuntimeError):
            store.put(write, suffix="")  # type: ignore[arg-type]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_full_disk_is_reported_and_leaves_nothing(small_disk: Path) -> None:
    store = LocalArtifactStore(small_disk / "artifacts")
    existing = store.put_bytes(b"existing", suffix=".txt")
    large = os.urandom(2_000_000)

    def swallow(file: io.BufferedIOBase) -> None:
        try:
            file.write(large)
        except OSError:
            return

    def wrap(file: io.BufferedIOBase) -> None:
        try:
            file.write(large)
        except OSError as error:
            raise ValueError("a library's own words") from error

    for put in (
        lambda: store.put_bytes(large, suffix=".bin"),
        lambda: store.put(lambda file: file.write(large), suffix=".bin"),
        lambda: store.put(swallow, suffix=".bin"),  # type: ignore[arg-type]
        lambda: store.put(wrap, suffix=".bin"),  # type: ignore[arg-type]
    ):
        with pytest.raises(StoreError, match="the disk is full") as caught:
            put()
        assert str(small_disk / "artifacts") in caught.value.message
        assert isinstance(caught.value.__cause__, OSError)
        assert files_below(small_disk) == [store.local_path(existing.address)]
    assert content(store, store.put_bytes(b"small", suffix=".txt").address) == b"small"


def test_a_limit_on_file_size_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
        import signal, sys
        from pathlib import Path
        from zenbook.errors import StoreError
        from zenbook.artifact_stores.local_files import LocalArtifactStore
        store = LocalArtifactStore(Path(sys.argv[1]))
        try:
            store.put(lambda file: file.write(bytes(1_000_000)), suffix=".bin")
        except StoreError as error:
            print(error.message)
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", textwrap.dedent(script), str(tmp_path / "artifacts")],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=True,
    )
    assert "larger than allowed" in done.stdout
    assert files_below(tmp_path) == []


def test_a_read_only_folder_is_reported(tmp_path: Path, read_only: Callable[[Path], None]) -> None:
    folder = tmp_path / "artifacts"
    store = LocalArtifactStore(folder)
    address = store.put_bytes(b"here", suffix=".txt").address
    read_only(folder)
    for write in (lambda: store.put_bytes(b"new", suffix=".txt"), lambda: store.delete(address)):
        with pytest.raises(StoreError, match=r"read-only|write permission") as caught:
            write()
        assert str(folder) in caught.value.message
        assert caught.value.hint
    assert content(store, address) == b"here"


def test_a_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_bytes(b"")
    with pytest.raises(StoreError, match="Cannot write to the artifact store"):
        LocalArtifactStore(tmp_path / "artifacts").put_bytes(b"x", suffix="")


def test_old_temporary_files_are_removed_and_young_ones_left(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    LocalArtifactStore(folder).put_bytes(b"x", suffix="")
    old, young = folder / "tmp/old", folder / "tmp/young"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (old.stat().st_atime, old.stat().st_mtime - STALE_SECONDS - 60))
    LocalArtifactStore(folder).put_bytes(b"y", suffix="")
    assert not old.exists()
    assert young.exists()


def test_a_writer_killed_in_the_middle_leaves_no_artifact(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from zenbook.artifact_stores.local_files import LocalArtifactStore
        def write(file):
            file.write(bytes(1_000_000))
            os.kill(os.getpid(), signal.SIGKILL)
        LocalArtifactStore(Path(sys.argv[1])).put(write, suffix=".bin")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "artifacts")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(files_below(tmp_path)) == 1  # or it was killed before it had begun
    assert list(LocalArtifactStore(tmp_path / "artifacts").listing()) == []


def test_a_deleted_folder_is_created_again(store: LocalArtifactStore, tmp_path: Path) -> None:
    store.put_bytes(b"x", suffix="")
    (tmp_path / "artifacts").rename(tmp_path / "moved away")
    assert content(store, store.put_bytes(b"x", suffix="").address) == b"x"


def test_a_forked_child_can_store_large_data(store: LocalArtifactStore) -> None:
    large = bytes(8_000_000)
    store.put(lambda file: file.write(large), suffix=".a")
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a handler would wait for the call that hangs
        signal.alarm(20)
        try:
            store.put(lambda file: file.write(large + b"!"), suffix=".b")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert store.exists(f"{blake3(large + b'!').hexdigest()[:2]}/{blake3(large + b'!').hexdigest()[2:]}.b")


def test_a_strange_suffix_is_refused(store: LocalArtifactStore, tmp_path: Path) -> None:
    for suffix in ("/x", "arrow", ".a/../b"):
        with pytest.raises(ValueError, match="suffix"):
            store.put_bytes(b"x", suffix=suffix)
        with pytest.raises(ValueError, match="suffix"):
            store.put(lambda file: file.write(b"x"), suffix=suffix)
    assert files_below(tmp_path) == []
