"""The conformance tests of artifact stores."""

from __future__ import annotations

import mmap
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar

import pytest
from blake3 import blake3

from zenbook.errors import ArtifactError
from zenbook.stack.artifact_store import ArtifactStore

T = TypeVar("T")
_PIECE = bytes(range(256)) * 4096  # 1 MiB


class ArtifactStoreTests:
    """Tests of an artifact store. The class that inherits has a fixture ``store``, which gives an empty store.

    Attributes:
        large: The size in MiB of the largest artifact that is stored.
    """

    large: int = 64

    @pytest.fixture
    def store(self) -> Any:
        """An empty store. The class that inherits overrides this fixture."""
        raise NotImplementedError("Define the fixture `store`: it returns an empty artifact store of yours.")

    # --- what is stored can be read ------------------------------------------------------------------------------

    @pytest.mark.parametrize("data", [b"", b"x", b"several\nlines\0\xff", _PIECE], ids=["empty", "byte", "odd", "MiB"])
    def test_bytes_come_back(self, store: ArtifactStore, data: bytes) -> None:
        """`open` and `local_path` give the bytes, and the digest is the blake3 digest of the content."""
        stored = store.put_bytes(data, suffix=".bin")
        assert stored.digest == blake3(data).hexdigest()
        assert stored.size == len(data)
        assert store.exists(stored.address)
        assert _content(store, stored.address) == data
        assert store.local_path(stored.address).read_bytes() == data

    def test_pieces_are_written_in_their_order(self, store: ArtifactStore) -> None:
        """Pieces are bytes, bytearrays or memoryviews of any size. Each write returns the number of bytes."""
        pieces: list[bytes | bytearray | memoryview] = [
            b"a" * 3,
            bytearray(b"b" * 70_000),
            memoryview(b"c"),
            b"",
            memoryview(_PIECE)[1:],
            b"end",
        ]

        def write(file: BinaryIO) -> None:
            for piece in pieces:
                assert file.write(piece) == len(piece)

        stored = store.put(write, suffix=".bin")
        whole = b"".join(bytes(piece) for piece in pieces)
        assert (stored.digest, stored.size) == (blake3(whole).hexdigest(), len(whole))
        assert _content(store, stored.address) == whole

    def test_the_file_knows_its_position(self, store: ArtifactStore) -> None:
        """`tell` and `flush` work as they do for a file, since formats use them."""
        places = []

        def write(file: BinaryIO) -> None:
            for piece in (b"abc", _PIECE, b"d"):
                places.append(file.tell())
                file.write(piece)
                file.flush()
            places.append(file.tell())
            assert file.writable()

        store.put(write, suffix=".bin")
        assert places == [0, 3, 3 + len(_PIECE), 4 + len(_PIECE)]

    def test_pickle_can_write_to_the_file_and_read_it(self, store: ArtifactStore) -> None:
        """Other libraries accept the file as a file."""
        value = {"numbers": [*range(1000)], "text": "größer", "large": _PIECE}
        stored = store.put(lambda file: pickle.dump(value, file, protocol=5), suffix=".pickle")
        with store.open(stored.address) as file:
            assert pickle.load(file) == value

    def test_a_large_artifact_comes_back(self, store: ArtifactStore) -> None:
        """Its local file can be memory-mapped."""
        hashed = blake3()

        def write(file: BinaryIO) -> None:
            for number in range(self.large):
                piece = number.to_bytes(8, "big") + _PIECE[8:]
                hashed.update(piece)
                file.write(piece)

        stored = store.put(write, suffix=".bin")
        assert stored.size == self.large * len(_PIECE)
        assert stored.digest == hashed.hexdigest()
        with (
            store.local_path(stored.address).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            assert blake3(mapped).hexdigest() == stored.digest

    @pytest.mark.parametrize("suffix", ["", ".bin", ".tar.gz", ".A_b-9"])
    def test_a_suffix_ends_the_address(self, store: ArtifactStore, suffix: str) -> None:
        """The suffix lets other programs know what the file is."""
        stored = store.put_bytes(b"x", suffix=suffix)
        assert stored.address.endswith(suffix)
        assert store.uri(stored.address).endswith(suffix)
        assert _content(store, stored.address) == b"x"

    def test_a_part_can_be_read(self, store: ArtifactStore) -> None:
        """The file that `open` returns can be read from any position."""
        stored = store.put_bytes(b"0123456789", suffix=".txt")
        with store.open(stored.address) as file:
            assert file.read(3) == b"012"
            assert file.read(3) == b"345"
            assert file.seek(1) == 1
            assert file.read() == b"123456789"

    # --- artifacts are addressed by their content ----------------------------------------------------------------

    def test_the_same_bytes_are_stored_once(self, store: ArtifactStore) -> None:
        """It does not matter whether they are written at once or in pieces."""
        first = store.put_bytes(b"the same", suffix=".txt")
        again = store.put(lambda file: [file.write(piece) for piece in (b"the ", b"same")], suffix=".txt")
        assert first == again
        assert [entry.address for entry in store.listing()] == [first.address]

    def test_other_bytes_and_other_suffixes_are_other_artifacts(self, store: ArtifactStore) -> None:
        """Deleting one of them does not delete the others."""
        first, other = store.put_bytes(b"x", suffix=".txt"), store.put_bytes(b"x", suffix=".bin")
        third = store.put_bytes(b"y", suffix=".txt")
        assert first.digest == other.digest != third.digest
        assert len({first.address, other.address, third.address}) == 3
        store.delete(first.address)
        assert (_content(store, other.address), _content(store, third.address)) == (b"x", b"y")

    # --- completely or not at all --------------------------------------------------------------------------------

    @pytest.mark.parametrize("error", [ValueError("mine"), OSError(2, "mine"), KeyboardInterrupt("mine")], ids=repr)
    @pytest.mark.parametrize("size", [1, len(_PIECE)], ids=["little", "much"])
    def test_a_writer_that_fails_leaves_nothing(self, store: ArtifactStore, error: BaseException, size: int) -> None:
        """Its exception is raised unchanged, and the store can still be used."""

        def write(file: BinaryIO) -> None:
            file.write(_PIECE[:size])
            raise error

        with pytest.raises(type(error)) as raised:
            store.put(write, suffix=".bin")
        assert raised.value is error
        partial = blake3(_PIECE[:size]).hexdigest()
        assert [*store.listing()] == []
        stored = store.put_bytes(_PIECE[:size], suffix=".bin")
        assert stored.digest == partial
        assert _content(store, stored.address) == _PIECE[:size]

    def test_an_unfinished_artifact_is_invisible(self, store: ArtifactStore) -> None:
        """A listing during a write does not contain it."""
        seen: list[object] = []

        def write(file: BinaryIO) -> None:
            file.write(_PIECE)
            file.flush()
            seen.extend(store.listing())
            file.write(b"end")

        store.put(write, suffix=".bin")
        assert seen == []
        assert len([*store.listing()]) == 1

    # --- missing artifacts ---------------------------------------------------------------------------------------

    def test_what_was_deleted_is_missing(self, store: ArtifactStore) -> None:
        """`open` and `local_path` raise `ArtifactError` with a hint. Deleting twice is allowed."""
        stored = store.put_bytes(b"gone", suffix=".txt")
        assert store.local_path(stored.address).read_bytes() == b"gone"  # so there may be a copy on this machine
        store.delete(stored.address)
        store.delete(stored.address)
        assert not store.exists(stored.address)
        assert [*store.listing()] == []
        for opened in (True, False):
            with pytest.raises(ArtifactError) as raised:
                _read_or_locate(store, stored.address, opened=opened)
            assert raised.value.hint

    def test_what_was_deleted_can_be_stored_again(self, store: ArtifactStore) -> None:
        """The store does not remember that it was deleted."""
        first = store.put_bytes(b"again", suffix=".txt")
        store.delete(first.address)
        assert store.put_bytes(b"again", suffix=".txt") == first
        assert _content(store, first.address) == b"again"

    @pytest.mark.parametrize("address", ["ab/" + "c" * 62 + ".txt", "ab/" + "c" * 62])
    def test_what_never_was_is_missing(self, store: ArtifactStore, address: str) -> None:
        """An unknown address raises `ArtifactError`, also in an empty store."""
        assert not store.exists(address)
        for opened in (True, False):
            with pytest.raises(ArtifactError):
                _read_or_locate(store, address, opened=opened)
        store.delete(address)

    @pytest.mark.parametrize("address", ["../outside", "ab/../../outside", "/etc/hostname", ""])
    def test_an_address_cannot_leave_the_store(self, store: ArtifactStore, address: str) -> None:
        """An invalid address raises `ArtifactError`."""
        for opened in (True, False):
            with pytest.raises(ArtifactError):
                _read_or_locate(store, address, opened=opened)

    # --- listing -------------------------------------------------------------------------------------------------

    def test_a_listing_has_all_artifacts_sorted_by_address(self, store: ArtifactStore) -> None:
        """It has their sizes and times too."""
        stored = [store.put_bytes(b"x" * size, suffix=".bin") for size in range(1, 40)]
        listed = [*store.listing()]
        assert [(entry.address, entry.size) for entry in listed] == sorted(
            (entry.address, entry.size) for entry in stored
        )
        assert all(abs(entry.modified_at - time.time()) < 86400 for entry in listed)

    def test_an_empty_store_lists_nothing(self, store: ArtifactStore) -> None:
        """It does not matter whether its folder or bucket exists."""
        assert [*store.listing()] == []

    # --- several threads -----------------------------------------------------------------------------------------

    def test_threads_store_the_same_bytes_at_once(self, store: ArtifactStore) -> None:
        """The threads do not disturb each other, and one artifact is stored."""
        stored = _at_once(lambda _: store.put(lambda file: [file.write(_PIECE) for _ in range(3)], suffix=".bin"))
        assert len(set(stored)) == 1
        assert [entry.address for entry in store.listing()] == [stored[0].address]
        assert _content(store, stored[0].address) == _PIECE * 3

    def test_threads_store_different_bytes_at_once(self, store: ArtifactStore) -> None:
        """Each thread reads its own bytes."""

        def put(number: int) -> bytes:
            data = bytes([number]) * 300_000
            return _content(store, store.put(lambda file: file.write(data), suffix=".bin").address)

        assert _at_once(put) == [bytes([number]) * 300_000 for number in range(8)]
        assert len([*store.listing()]) == 8

    def test_after_together_all_have_arrived(self, store: ArtifactStore) -> None:
        """Within the block they may not be stored yet."""
        with store.together():
            stored = [store.put_bytes(b"%d" % number, suffix=".txt") for number in range(20)]
        assert [_content(store, artifact.address) for artifact in stored] == [b"%d" % number for number in range(20)]
        assert len([*store.listing()]) == 20

    def test_an_exception_passes_through_together(self, store: ArtifactStore) -> None:
        """What was stored before the exception is complete or missing."""

        def fail() -> None:
            with store.together():
                store.put_bytes(_PIECE, suffix=".bin")
                raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            fail()
        assert [entry.size for entry in store.listing()] in ([], [len(_PIECE)])
        stored = store.put_bytes(_PIECE, suffix=".bin")
        assert _content(store, stored.address) == _PIECE

    def test_fetch_ignores_missing_artifacts(self, store: ArtifactStore) -> None:
        """`local_path` raises for a missing artifact, not `fetch`."""
        stored = [store.put_bytes(b"%d" % number, suffix=".txt") for number in range(5)]
        store.delete(stored[0].address)
        store.fetch([artifact.address for artifact in stored])
        assert [store.local_path(artifact.address).read_bytes() for artifact in stored[1:]] == [b"1", b"2", b"3", b"4"]
        with pytest.raises(ArtifactError):
            store.local_path(stored[0].address)

    # --- texts for people ----------------------------------------------------------------------------------------

    def test_check_leaves_nothing(self, store: ArtifactStore) -> None:
        """A check writes and reads, and returns one line."""
        stored = store.put_bytes(b"kept", suffix=".txt")
        assert _is_one_line(store.check())
        assert [entry.address for entry in store.listing()] == [stored.address]

    def test_it_describes_itself(self, store: ArtifactStore) -> None:
        """The description is one line, and each artifact has its own URI."""
        first, second = store.put_bytes(b"1", suffix=".txt"), store.put_bytes(b"2", suffix=".txt")
        assert _is_one_line(store.describe())
        assert store.uri(first.address) != store.uri(second.address)

    def test_a_store_on_this_machine_has_the_files_themselves(self, store: ArtifactStore) -> None:
        """`local_path` returns the stored file, not a copy."""
        stored = store.put_bytes(b"x", suffix=".txt")
        first, again = store.local_path(stored.address), store.local_path(stored.address)
        assert first == again
        if store.on_this_machine:
            assert str(first) == store.uri(stored.address)


def _content(store: ArtifactStore, address: str) -> bytes:
    with store.open(address) as file:
        return file.read()


def _read_or_locate(store: ArtifactStore, address: str, *, opened: bool) -> object:
    return _content(store, address) if opened else store.local_path(address)


def _at_once(work: Callable[[int], T], threads: int = 8) -> list[T]:
    barrier = threading.Barrier(threads)

    def wait_and_work(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return [*pool.map(wait_and_work, range(threads))]


def _is_one_line(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()
