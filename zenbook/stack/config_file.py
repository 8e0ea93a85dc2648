"""The file ``config.yaml`` of a workspace: what it may contain, how it is read, and how it is changed.

People edit the file too. A change keeps their comments and the order of what they wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zenbook.core.atomic_write import write_atomically
from zenbook.errors import StackError, did_you_mean
from zenbook.stack.flavour import ComponentKind

if TYPE_CHECKING:
    from ruamel.yaml import YAML

CONFIG_VERSION = 1
_LOCK_TIMEOUT = 30.0  # seconds that a writer waits for another writer
_SECTIONS = (*(kind.config_key for kind in ComponentKind), "stacks")
_DIRECTIVE = "%YAML 1.1\n---\n"  # ruamel.yaml writes it before text of that version, which PyYAML reads without it


@dataclass(frozen=True, slots=True)
class Config:
    """What ``config.yaml`` says."""

    active: str = "default"
    components: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None  # section → name → {flavour, options}
    stacks: Mapping[str, Mapping[str, Any]] | None = None

    def component(self, section: str, name: str) -> Mapping[str, Any] | None:
        """Look up a registered component.

        Args:
            section: The section of its kind, as ``artifact_stores``.
            name: The component's name.

        Returns:
            Its flavour and options, or None if it is not registered.
        """
        return ((self.components or {}).get(section) or {}).get(name)


_cache: dict[Path, tuple[tuple[int, int, int], Config]] = {}  # by file, with its state: parsing takes milliseconds


def read_config(file: Path) -> Config:
    """Read a ``config.yaml``; a file that has not changed since is not parsed again.

    Args:
        file: Its path; without the file, the defaults apply.

    Returns:
        Its content.

    Raises:
        StackError: The file cannot be read or understood.
    """
    try:
        facts = os.stat(file)  # noqa: PTH116 (a Path's own stat costs more)
        stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        cached = _cache.get(file)
        if cached is None or cached[0] != stamp:
            cached = _cache[file] = (stamp, _parse(file.read_text(encoding="utf-8"), file))
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"{file} cannot be read: {error}.", "Fix its permissions or its text.") from error
    return cached[1]


@contextmanager
def change_config(file: Path) -> Iterator[dict[str, Any]]:
    """Change a ``config.yaml``: one writer at a time, and the file is written as a whole at the block's end.

    An exception in the block leaves the file as it was.

    Args:
        file: Its path; its folder must exist.

    Yields:
        The content, to be changed.

    Raises:
        StackError: The file cannot be read, understood or written.
    """
    with _locked(file):
        read_config(file)  # refuses what cannot be understood before anything is written over it
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        body = _load_with_comments(text)
        body = body if "version" in body else _with_version(body)
        before = repr(body)
        yield body
        if repr(body) != before:
            lead = "" if _has_content(text) else text  # comments, and nothing that they could be attached to
            try:
                write_atomically(file, lead + _dump(body))
            except OSError as error:
                raise StackError(*_unwritable(file, error)) from error


def set_entry(body: dict[str, Any], section: str, name: str, entry: Mapping[str, Any]) -> None:
    """Put an entry into the content of a ``config.yaml``; the comments in an entry of that name stay.

    Args:
        body: The content, as `change_config` yields it.
        section: The section, as ``stacks``.
        name: The entry's name.
        entry: Its values; those that it had before and that are not among these are removed.
    """
    entries = body.get(section)
    if entries is None:
        entries = body[section] = {}
    if name not in entries:
        entries[name] = dict(entry)
        return
    existing = entries[name]
    for key in [key for key in existing if key not in entry]:
        del existing[key]
    existing.update(entry)


def _locked(file: Path) -> AbstractContextManager[object]:
    from filelock import FileLock, Timeout

    try:
        return FileLock(file.with_suffix(".lock"), timeout=_LOCK_TIMEOUT, mode=0o600).acquire()
    except Timeout:
        raise StackError(
            f"Another process has been changing {file} for {_LOCK_TIMEOUT:g} s.",
            "Wait until it has ended, or stop it, and try again.",
        ) from None
    except OSError as error:
        raise StackError(*_unwritable(file, error)) from error


def _unwritable(file: Path, error: OSError) -> tuple[str, str]:
    """What is wrong, and what to do."""
    return (
        f"{file} cannot be written: {error.strerror or error}.",
        "Check that the folder is writable and the disk is not full.",
    )


def _load_with_comments(text: str) -> dict[str, Any]:
    """The content with its comments; without them where ruamel.yaml and PyYAML do not read the same in it."""
    import yaml
    from ruamel.yaml.error import YAMLError

    plain: dict[str, Any] = yaml.safe_load(text) or {}
    try:
        body: dict[str, Any] = _round_trip().load(text) or {}
    except YAMLError:
        return plain
    return body if body == plain else plain


def _dump(body: dict[str, Any]) -> str:
    import io

    stream = io.StringIO()
    _round_trip().dump(body, stream)
    return stream.getvalue().removeprefix(_DIRECTIVE)


def _round_trip() -> YAML:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.version = (1, 1)  # what PyYAML reads: in 1.2 a plain `yes` is a text
    yaml.preserve_quotes = True
    yaml.width = 4096  # characters: long lines stay as they are
    return yaml


def _with_version(body: dict[str, Any]) -> dict[str, Any]:
    insert = getattr(body, "insert", None)  # of a mapping with comments
    if insert is None:
        return {"version": CONFIG_VERSION, **body}
    insert(0, "version", CONFIG_VERSION)
    return body


def _has_content(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _parse(text: str, file: Path) -> Config:
    import yaml

    try:
        body = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise StackError(
            f"{file} is not valid YAML: {' '.join(str(error).split())}.", "Fix it in a text editor."
        ) from error
    if not isinstance(body, dict):
        raise StackError(
            f"{file} contains a {type(body).__name__} instead of settings by name.", "Fix it in a text editor."
        )
    version = body.get("version", CONFIG_VERSION)
    if not isinstance(version, int) or version > CONFIG_VERSION:
        raise StackError(
            f"{file} was written by a newer zenbook (version {version}; this one knows {CONFIG_VERSION}).",
            "Upgrade this one: pip install -U zenbook",
        )
    unknown = sorted(set(body) - {"version", "active", *_SECTIONS})
    if unknown:
        raise StackError(
            f"{file} has an unknown key {unknown[0]!r}.", did_you_mean(unknown[0], ["active", *_SECTIONS], noun="key")
        )
    for section in _SECTIONS:
        _check_section(section, body.get(section) or {}, file)
    return Config(
        active=str(body.get("active") or "default"),
        components={section: body.get(section) or {} for section in _SECTIONS if section != "stacks"},
        stacks=body.get("stacks") or {},
    )


def _check_section(section: str, entries: Any, file: Path) -> None:
    if not isinstance(entries, dict):
        raise StackError(f"In {file}, {section!r} is not a mapping of names.", "Fix it in a text editor.")
    for name, entry in entries.items():
        if not isinstance(name, str):
            raise StackError(
                f"In {file}, {section}: YAML does not read the name {name!r} as a text.",
                f"Write it in quotes: '{name}'.",
            )
        if not isinstance(entry, dict):
            raise StackError(
                f"In {file}, {section}: {name} is {entry!r} and not a mapping of options.",
                "Write it as `name: {option: value}`.",
            )
