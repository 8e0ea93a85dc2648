"""A large artifact to each emulator of object storage, beside a bare ``put`` of fsspec's of the same file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, seconds
from notebooks.emulators import S3, Azure, Emulator, Gcs
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.flavour import ComponentKind, flavour

EMULATORS: dict[str, type[Emulator]] = {"s3": S3, "gcs": Gcs, "azure": Azure}


def measure(*, megabytes: int = 200, repeats: int = 7) -> Result:
    """Time over that of the bare ``put``, for each cloud."""
    figures = []
    for name, emulator in EMULATORS.items():
        with empty_folder() as folder, emulator() as server:
            server.make_bucket("data")
            figures.append(_figure(name, server, folder, megabytes, repeats))
    return Result(
        "Artifacts to object storage",
        tuple(figures),
        "Timed: storing bytes that are in memory (so: file in the cache, digest, is it there?, upload) over fsspec's\n"
        "  put_file of a file with the same bytes, with the library's own settings, to the same emulator in turns.\n"
        "  The objects are removed after each turn.",
    )


def _figure(name: str, server: Emulator, folder: Path, megabytes: int, repeats: int) -> Figure:
    store = _store(name, server, folder)
    bare = server.filesystem()
    data = os.urandom(megabytes * 1_000_000)
    file = folder / "plain"
    file.write_bytes(data)
    _put(store, data[:1000])

    def put_bare(_: int) -> float:
        os.sync()  # what others have written is no cost of ours
        took = seconds(lambda: bare.put_file(str(file), "data/plain"))
        bare.rm_file("data/plain")
        return took

    def put(_: int) -> float:
        os.sync()
        return _put(store, data)

    put_bare(0)  # connects
    found = in_turns({"zenbook": put, "bare": put_bare}, repeats)
    detail = f"{found['zenbook']:.2f} s; bare put {found['bare']:.2f} s"
    return Figure(f"{megabytes} MB to {name}", found.ratio("zenbook", "bare"), "× a put", 1.3, detail)


def _store(name: str, server: Emulator, folder: Path) -> ArtifactStore:
    kind = flavour(ComponentKind.ARTIFACT_STORE, name)
    options: dict[str, Any] = server.options("data")
    made: ArtifactStore = kind.make(kind.settings(**options), folder)
    return made


def _put(store: ArtifactStore, data: bytes) -> float:
    addresses: list[str] = []
    took = seconds(
        lambda: addresses.append(store.put(lambda file: file.write(data), suffix=".bin").address),
    )
    store.delete(addresses[0])
    return took
