"""Settings that libraries keep for a whole process (`sklearn.set_config`, ``rcParams``, pandas' and NumPy's options).

A cell that changes them leaves them to the cells below as a hidden output, so that these get them in another process
too, or where that cell is served from the cache. What a function step changes is taken back at its end: on another
machine no later step would see it.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zenbook.errors import RunError

OUTPUT = "__settings__"  # the hidden output of a cell: all that it and the cells above have changed
_BACKEND = frozenset({"backend", "backend_fallback", "interactive"})  # how a process draws, not what

Values = dict[str, dict[str, Any]]  # by library and setting


@dataclass(frozen=True, slots=True)
class _Library:
    """How the settings of a library are read and changed, given its module."""

    read: Callable[[Any], dict[str, Any]]
    write: Callable[[Any, Mapping[str, Any]], object]


def _pandas(module: Any) -> dict[str, Any]:
    """All options; `get_option` one by one would take a millisecond, and warn of those that are deprecated."""
    flat: dict[str, Any] = {}
    waiting = [("", module._config.config._global_config)]
    while waiting:
        prefix, options = waiting.pop()
        for name, value in options.items():
            if isinstance(value, dict):
                waiting.append((f"{prefix}{name}.", value))
            else:
                flat[prefix + name] = value
    return flat


def _results(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if not name.startswith(_SHOWN)}


def _set_pandas(module: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        module.set_option(name, value)


def _set_numpy(module: Any, values: Mapping[str, Any]) -> None:
    errors = {name.removesuffix(" errors"): value for name, value in values.items() if name.endswith(" errors")}
    module.seterr(**errors)
    printing = {name: value for name, value in values.items() if not name.endswith(" errors")}
    if printing:
        module.set_printoptions(**{**module.get_printoptions(), **printing})


_LIBRARIES = {
    "sklearn": _Library(lambda module: module.get_config(), lambda module, values: module.set_config(**values)),
    "pandas": _Library(_pandas, _set_pandas),
    "numpy": _Library(
        lambda module: {**module.get_printoptions(), **{f"{on} errors": how for on, how in module.geterr().items()}},
        _set_numpy,
    ),
    "matplotlib": _Library(
        lambda module: {name: one for name, one in dict.items(module.rcParams) if name not in _BACKEND},
        lambda module, values: module.rcParams.update(values),
    ),
}
_READY = {"sklearn": "get_config", "pandas": "set_option", "numpy": "geterr", "matplotlib": "rcParams"}
_SHOWN = ("display", "styler", "print_changed_only")  # how the names of settings begin that change no result
_DEFAULTS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {  # by library, with the name of its distribution
    "sklearn": ("scikit-learn", lambda module: _results(module._config._global_config)),
    "pandas": (
        "pandas",
        lambda module: _results({k: one.defval for k, one in module._config.config._registered_options.items()}),
    ),
    "numpy": (
        "numpy",
        lambda _: {
            f"{on} errors": "ignore" if on == "under" else "warn" for on in ("divide", "over", "under", "invalid")
        },
    ),
}
_before: dict[tuple[str, str], Any] = {}  # what cells have set in this process, and what it was


class Watch:
    """What happens to the settings from now on, those of libraries included that are imported meanwhile."""

    def __init__(self, given: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.given = given or {}
        self._found: dict[str, tuple[Any, dict[str, Any]]] = {}  # modules, and what was set in them
        self.look()

    def look(self) -> None:
        """Begin to watch the libraries that are there by now, with what was given for them."""
        for name in _LIBRARIES.keys() - self._found.keys():
            module = _loaded(name)
            if module is not None:
                _give(name, module, self.given.get(name, {}))
                self._found[name] = module, _LIBRARIES[name].read(module)

    def take_back(self) -> None:
        """Make the settings what they were."""
        for name, module, old, new in self._changes():
            _write(name, module, {one: old[one] for one in new.keys() & old.keys()})

    def left(self) -> Values:
        """All that a cell leaves to those below; empty where it has changed nothing. It stays in this process."""
        changed: Values = {}
        for name, _, old, new in self._changes():
            changed[name] = new
            for setting in new.keys() & old.keys():
                _before.setdefault((name, setting), old[setting])
        if not changed:
            return {}
        names = sorted({*self.given, *changed})
        return {name: {**self.given.get(name, {}), **changed.get(name, {})} for name in names}

    def _changes(self) -> Iterator[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
        for name, (module, old) in self._found.items():  # an import that was interrupted takes modules out again
            now = _LIBRARIES[name].read(module)
            new = {one: value for one, value in now.items() if one not in old or not _same(value, old[one])}
            if new:
                yield name, module, old, new


def watched(given: Mapping[str, Mapping[str, Any]]) -> Watch:
    """Watch a cell, which gets just what the cells above have set: what others left in this process is taken back."""
    for name, setting in list(_before):
        if setting not in given.get(name, {}):
            was, module = _before.pop((name, setting)), _loaded(name)
            if module is not None:
                _write(name, module, {setting: was})
    return Watch(given)


@contextmanager
def taken_back() -> Iterator[Watch]:
    """Take back what is changed in the block."""
    watch = Watch()
    try:
        yield watch
    finally:
        watch.take_back()


def outside(distributions: Collection[str], given: Mapping[str, Mapping[str, Any]] | None) -> str:
    """The settings that change results and that don't travel with a step, of the libraries that it uses, in words.

    ``given`` are those that cells above have made; a step that is no cell is given none.
    """
    found = []
    for name, (distribution, defaults) in _DEFAULTS.items():
        module = _loaded(name)
        if module is None or distribution not in distributions:
            continue
        now = _LIBRARIES[name].read(module)
        for setting, value in defaults(module).items():
            travels = given is not None and ((name, setting) in _before or setting in given.get(name, {}))
            if not travels and setting in now and not _same(now[setting], value):
                found.append(f"{setting} of {name}")
    return ", ".join(found)


def apply(values: Mapping[str, Mapping[str, Any]]) -> None:
    """Set what a cell left that is served from the cache. Raises `RunError` for what can't be set here."""
    for name, settings in values.items():
        import_module(name)
        _give(name, sys.modules[name], settings)


def to_bytes(values: Values) -> bytes:
    """Settings as bytes; `from_bytes` wants such as the metadata store knows."""
    return pickle.dumps({name: dict(sorted(settings.items())) for name, settings in values.items()}, protocol=4)


def from_bytes(data: bytes) -> Values:
    """What `to_bytes` was given."""
    values: Values = pickle.loads(data)
    return values


def _give(name: str, module: Any, wanted: Mapping[str, Any]) -> None:
    """Make settings what cells have made them, and remember what they were."""
    if not wanted:
        return
    now = _LIBRARIES[name].read(module)
    for setting in wanted.keys() & now.keys():
        _before.setdefault((name, setting), now[setting])
    try:
        _write(name, module, wanted)
    except Exception as error:
        raise RunError(
            f"A setting of {name} that a cell above has made can't be made here: {error}",
            f"Install the version of {name} with which that cell ran, or run its cell again.",
        ) from error


def _write(name: str, module: Any, wanted: Mapping[str, Any]) -> None:
    now = _LIBRARIES[name].read(module)
    other = {one: value for one, value in wanted.items() if one not in now or not _same(now[one], value)}
    if other:
        _LIBRARIES[name].write(module, other)


def _loaded(name: str) -> Any:
    """A library's module once it is there in whole; another thread may be about to import it, and fail."""
    module = sys.modules.get(name)
    busy = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return module if not busy and hasattr(module, _READY[name]) else None


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # noqa: BLE001  # whatever a user's object says of being compared: it is another one
        return False
