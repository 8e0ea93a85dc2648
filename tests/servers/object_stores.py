"""Emulators that start once for each test module's process, and stores on them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from notebooks.emulators import S3, Azure, Emulator, Gcs
from zenbook.artifact_stores.object_storage.object_store import ObjectStore
from zenbook.stack.flavour import ComponentKind, flavour

EMULATORS: dict[str, type[Emulator]] = {"s3": S3, "gcs": Gcs, "azure": Azure}
CLOUDS = tuple(EMULATORS)
ALL = (*CLOUDS, "memory", "filesystem")


def make_store(name: str, home: Path, **options: Any) -> ObjectStore:
    """A store as a stack makes it."""
    kind = flavour(ComponentKind.ARTIFACT_STORE, name)
    store = kind.make(kind.settings(**options), home)
    assert isinstance(store, ObjectStore)
    return store


def other_machine(options: tuple[str, dict[str, Any]], tmp_path: Path) -> ObjectStore:
    """The same store without what was copied."""
    return make_store(options[0], tmp_path / f"other {time.monotonic_ns()}", **options[1])


class Servers:
    """Emulators by flavour, started when they are first used."""

    def __init__(self) -> None:
        self._running: dict[str, Emulator] = {}

    def __getitem__(self, name: str) -> Emulator:
        if name not in self._running:
            emulator = EMULATORS[name]()
            if isinstance(emulator, Azure) and emulator.program is None:
                pytest.skip("azurite is not installed: make npm")
            self._running[name] = emulator.start()
        return self._running[name]

    def stop(self) -> None:
        for emulator in self._running.values():
            emulator.stop()

    def options(self, name: str, folder: Path) -> dict[str, Any]:
        """Of a store that is new and empty."""
        if name == "memory":
            return {"path": f"memory://{uuid4().hex}/dir"}
        if name == "filesystem":
            return {"path": f"file://{folder}/far"}
        bucket = f"b{uuid4().hex[:12]}"
        self[name].make_bucket(bucket)
        options = self[name].options(bucket)
        return {**options, "path": f"{options['path']}/some/dir", "retry_seconds": 5}
