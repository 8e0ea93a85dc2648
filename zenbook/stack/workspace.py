"""The workspace: the ``.zen`` folder with registered components and stacks, the active stack and the default stores.

It makes itself on first use. It is the nearest ``.zen`` at or above the current folder, else a new one in the current
folder; ``ZENBOOK_WORKSPACE`` names another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zenbook.core.atomic_write import write_atomically
from zenbook.errors import StackError, did_you_mean
from zenbook.stack.flavour import ComponentKind

FOLDER = ".zen"
CONFIG_VERSION = 1
OWNER_ONLY = 0o700  # the folder may hold secrets, and what steps printed
_PATIENCE = 30.0  # seconds that a writer of config.yaml waits for another
_SECTIONS = (*(kind.config_key for kind in ComponentKind), "stacks")


@dataclass(frozen=True, slots=True)
class Config:
    """What ``config.yaml`` says."""

    active: str = "default"
    components: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None  # section → name → {flavour, options}
    stacks: Mapping[str, Mapping[str, Any]] | None = None

    def component(self, section: str, name: str) -> Mapping[str, Any] | None:
        """A registered component's flavour and options."""
        return ((self.components or {}).get(section) or {}).get(name)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A ``.zen`` folder, which may not exist yet."""

    home: Path

    @classmethod
    def find(cls) -> Workspace:
        """The workspace that counts here. Nothing is made."""
        named = os.environ.get("ZENBOOK_WORKSPACE")
        if named:
            path = Path(named).expanduser().absolute()
            return cls(path if path.name == FOLDER else path / FOLDER)
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / FOLDER).is_dir():
                return cls(folder / FOLDER)
        return cls(here / FOLDER)

    @property
    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.home.is_dir()

    def ensure(self) -> Workspace:
        """Make the folder if it is not there. Raises `StackError` where that is not possible."""
        if not self.exists:
            try:
                self.home.parent.mkdir(parents=True, exist_ok=True)
                self.home.mkdir(mode=OWNER_ONLY, exist_ok=True)
                (self.home / ".gitignore").write_text("*\n", encoding="utf-8")
            except OSError as error:
                raise StackError(
                    f"The workspace {self.home} can't be made: {error.strerror or error}.",
                    "Choose another place with `zen init --path DIR` or the variable ZENBOOK_WORKSPACE.",
                ) from error
        return self

    @property
    def config_file(self) -> Path:
        """Where components and stacks are registered."""
        return self.home / "config.yaml"

    def config(self) -> Config:
        """Read ``config.yaml``; without one, the defaults. Raises `StackError` for a file that can't be read."""
        try:
            facts = os.stat(self.config_file)  # noqa: PTH116 (a Path's own stat costs more)
            stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
            kept = _read.get(self.config_file)
            if kept is None or kept[0] != stamp:
                kept = _read[self.config_file] = (
                    stamp,
                    _parse(self.config_file.read_text(encoding="utf-8"), self.config_file),
                )
        except FileNotFoundError:
            return Config()
        except (OSError, UnicodeDecodeError) as error:
            raise StackError(
                f"{self.config_file} can't be read: {error}.", "Mend its permissions or its text."
            ) from error
        return kept[1]

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The body of ``config.yaml`` to change: written at the block's end, atomically, one writer at a time.

        An exception in the block leaves the file as it was. Raises `StackError` for a file that can't be read or
        written.
        """
        self.ensure()
        with self._locked():
            body = self._body()
            before = repr(body)
            yield body
            if repr(body) != before:
                self._write(body)

    def _locked(self) -> AbstractContextManager[object]:
        from filelock import FileLock, Timeout

        try:
            return FileLock(self.home / "config.lock", timeout=_PATIENCE, mode=0o600).acquire()
        except Timeout:
            raise StackError(
                f"Another process has been changing {self.config_file} for {_PATIENCE:g} s.",
                "Wait for it, or end it, and try again.",
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error

    def _body(self) -> dict[str, Any]:
        import yaml

        self.config()  # refuses what can't be understood before anything is written over it
        try:
            body = yaml.safe_load(self.config_file.read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            body = {}
        return {"version": CONFIG_VERSION, **body}

    def _write(self, body: dict[str, Any]) -> None:
        import yaml

        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
        try:
            write_atomically(self.config_file, text)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StackError:
        return StackError(
            f"{self.config_file} can't be written: {error.strerror or error}.",
            "Is the folder writable, and the disk not full?",
        )


_read: dict[Path, tuple[tuple[int, int, int], Config]] = {}  # by file, with its state: parsing takes milliseconds


def _parse(text: str, file: Path) -> Config:
    import yaml

    try:
        body = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise StackError(f"{file} is no YAML: {' '.join(str(error).split())}.", "Mend it by hand.") from error
    if not isinstance(body, dict):
        raise StackError(f"{file} holds {type(body).__name__} and not settings by name.", "Mend it by hand.")
    version = body.get("version", CONFIG_VERSION)
    if not isinstance(version, int) or version > CONFIG_VERSION:
        raise StackError(
            f"{file} was made by a newer zenbook (version {version}; this one knows {CONFIG_VERSION}).",
            "Upgrade this one: pip install -U zenbook",
        )
    unknown = sorted(set(body) - {"version", "active", *_SECTIONS})
    if unknown:
        raise StackError(
            f"{file} has an unknown key {unknown[0]!r}.", did_you_mean(unknown[0], ["active", *_SECTIONS], noun="key")
        )
    for section in _SECTIONS:
        if not isinstance(body.get(section) or {}, dict):
            raise StackError(f"In {file}, {section!r} is not a mapping of names.", "Mend it by hand.")
        for name, entry in (body.get(section) or {}).items():
            if not isinstance(name, str):
                raise StackError(
                    f"In {file}, {section}: the name {name!r} is no text to YAML.", f"Write it in quotes: '{name}'."
                )
            if not isinstance(entry, dict):
                raise StackError(
                    f"In {file}, {section}: {name} is {entry!r} and not a mapping of options.",
                    "Write it as `name: {option: value}`.",
                )
    return Config(
        active=str(body.get("active") or "default"),
        components={section: body.get(section) or {} for section in _SECTIONS if section != "stacks"},
        stacks=body.get("stacks") or {},
    )
