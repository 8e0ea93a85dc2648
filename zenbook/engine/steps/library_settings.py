"""Settings that libraries keep for a whole process (`sklearn.set_config`, ``rcParams``, pandas' and NumPy's options).

A cell that changes them leaves them to the cells below as a hidden output, so that these get them in another process
too, or where that cell is served from the cache. What a function step changes is restored at its end: on another
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
    """All options; calling `get_option` for each would take a millisecond, and warn of those that are deprecated."""
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


def _without_display_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if not name.startswith(_DISPLAY_OPTIONS)}


def _default_pandas(module: Any) -> dict[str, Any]:
    options = module._config.config._registered_options.items()
    return _without_display_options({name: option.defval for name, option in options})


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
        lambda module: {name: value for name, value in dict.items(module.rcParams) if name not in _BACKEND},
        lambda module, values: module.rcParams.update(values),
    ),
}
_READY = {"sklearn": "get_config", "pandas": "set_option", "numpy": "geterr", "matplotlib": "rcParams"}
_DISPLAY_OPTIONS = ("display", "styler", "print_changed_only")  # how the names of settings begin that change no result
_DEFAULTS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {  # by library, with the name of its distribution
    "sklearn": ("scikit-learn", lambda module: _without_display_options(module._config._global_config)),
    "pandas": ("pandas", _default_pandas),
    "numpy": (
        "numpy",
        lambda _: {
            f"{on} errors": "ignore" if on == "under" else "warn" for on in ("divide", "over", "under", "invalid")
        },
    ),
}
_before_cells: dict[tuple[str, str], Any] = {}  # what cells have set in this process, and what it was


class SettingsTracker:
    """Tracks changes of the settings from now on, those of libraries included that are imported meanwhile.

    Args:
        inherited: What earlier cells have set, by library and setting.
    """

    def __init__(self, inherited: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.inherited = inherited or {}
        self._initial: dict[str, tuple[Any, dict[str, Any]]] = {}  # modules, and their settings at first
        self.look()

    def look(self) -> None:
        """Begin to track the libraries that have been imported by now, with what they inherit."""
        for name in _LIBRARIES.keys() - self._initial.keys():
            module = _loaded(name)
            if module is not None:
                _inherit(name, module, self.inherited.get(name, {}))
                self._initial[name] = module, _LIBRARIES[name].read(module)

    def restore(self) -> None:
        """Set everything back to what it was."""
        for name, module, old, new in self._differences():
            _write(name, module, {setting: old[setting] for setting in new.keys() & old.keys()})

    def changes(self) -> Values:
        """The inherited settings with the cell's own; empty where it has changed nothing. They stay in this process."""
        changed: Values = {}
        for name, _, old, new in self._differences():
            changed[name] = new
            for setting in new.keys() & old.keys():
                _before_cells.setdefault((name, setting), old[setting])
        if not changed:
            return {}
        names = sorted({*self.inherited, *changed})
        return {name: {**self.inherited.get(name, {}), **changed.get(name, {})} for name in names}

    def _differences(self) -> Iterator[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
        for name, (module, old) in self._initial.items():  # an import that was interrupted takes modules out again
            now = _LIBRARIES[name].read(module)
            new = {
                setting: value
                for setting, value in now.items()
                if setting not in old or not _is_equal(value, old[setting])
            }
            if new:
                yield name, module, old, new


def track_cell(inherited: Mapping[str, Mapping[str, Any]]) -> SettingsTracker:
    """Track a cell, which gets just what the cells above have set: what others left in this process is restored.

    Args:
        inherited: What the cells above have set, by library and setting.

    Returns:
        The tracker, which has applied the inherited settings.
    """
    for name, setting in list(_before_cells):
        if setting not in inherited.get(name, {}):
            initial, module = _before_cells.pop((name, setting)), _loaded(name)
            if module is not None:
                _write(name, module, {setting: initial})
    return SettingsTracker(inherited)


@contextmanager
def restored_after() -> Iterator[SettingsTracker]:
    """Restore what is changed in the block.

    Yields:
        What tracks the changes.
    """
    tracker = SettingsTracker()
    try:
        yield tracker
    finally:
        tracker.restore()


def changed_outside_steps(distributions: Collection[str], inherited: Mapping[str, Mapping[str, Any]] | None) -> str:
    """Name the settings that change results and do not travel with a step.

    Args:
        distributions: The distributions that the step uses.
        inherited: What cells above have set, by library and setting; None for a function step.

    Returns:
        The settings, as "zero_division of sklearn, …"; empty if there are none.
    """
    names = []
    for name, (distribution, defaults) in _DEFAULTS.items():
        module = _loaded(name)
        if module is None or distribution not in distributions:
            continue
        now = _LIBRARIES[name].read(module)
        for setting, value in defaults(module).items():
            travels = inherited is not None and ((name, setting) in _before_cells or setting in inherited.get(name, {}))
            if not travels and setting in now and not _is_equal(now[setting], value):
                names.append(f"{setting} of {name}")
    return ", ".join(names)


def apply(values: Mapping[str, Mapping[str, Any]]) -> None:
    """Set what a cell left that is served from the cache.

    Args:
        values: The settings by library and name.

    Raises:
        RunError: The library that is installed here does not take a setting.
    """
    for name, settings in values.items():
        import_module(name)
        _inherit(name, sys.modules[name], settings)


def to_bytes(values: Values) -> bytes:
    """Pickle settings.

    Args:
        values: The settings by library and name.

    Returns:
        Bytes that are equal for equal settings.
    """
    return pickle.dumps({name: dict(sorted(settings.items())) for name, settings in values.items()}, protocol=4)


def from_bytes(data: bytes) -> Values:
    """Read what `to_bytes` returned.

    Args:
        data: Bytes that the metadata store vouches for.

    Returns:
        The settings by library and name.
    """
    values: Values = pickle.loads(data)
    return values


def _inherit(name: str, module: Any, wanted: Mapping[str, Any]) -> None:
    """Apply what cells have set, and remember what it was before."""
    if not wanted:
        return
    now = _LIBRARIES[name].read(module)
    for setting in wanted.keys() & now.keys():
        _before_cells.setdefault((name, setting), now[setting])
    try:
        _write(name, module, wanted)
    except Exception as error:
        raise RunError(
            f"Cannot apply the {name} option set in an earlier cell: {error}",
            f"Install the version of {name} with which that cell ran, or run its cell again.",
        ) from error


def _write(name: str, module: Any, wanted: Mapping[str, Any]) -> None:
    now = _LIBRARIES[name].read(module)
    other = {
        setting: value for setting, value in wanted.items() if setting not in now or not _is_equal(now[setting], value)
    }
    if other:
        _LIBRARIES[name].write(module, other)


def _loaded(name: str) -> Any:
    """A library's module once it is there in whole; another thread may be about to import it, and fail."""
    module = sys.modules.get(name)
    busy = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return module if not busy and hasattr(module, _READY[name]) else None


def _is_equal(first: Any, second: Any) -> bool:
    try:
        return first is second or bool(first == second)
    except Exception:  # noqa: BLE001  # a user's object that cannot be compared counts as different
        return False
