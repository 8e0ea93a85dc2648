"""The global random states of `random` and NumPy: an implicit input and output of a cell, and a trap for a function.

Code drew from a state if the state differs before and after; it depended on the state before if no seed was set before
the first draw.
"""

from __future__ import annotations

import builtins
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from zenbook.core.digest import digest_of_bytes

GENERATORS = ("random", "numpy")
OUTPUTS = {"random": "__random__", "numpy": "__numpy_random__"}  # hidden outputs of a cell: the states that it leaves

State = tuple[Any, Any]  # of the generators, in that order; None for NumPy's while it is not loaded


class RandomStateTracker:
    """Tracks the global random states while a block runs."""

    def __init__(self) -> None:
        self.before: list[Any] = [None for _ in GENERATORS]
        self.after: State | None = None  # once the block is over
        self.reseeded: set[str] = set()  # seeded while the state was still the first one
        self._replaced: list[tuple[Any, str, Any]] = []
        self.look()

    def look(self) -> None:
        """Begin to track the generators whose modules have been imported by now."""
        for place, (module, state) in enumerate(zip((random, _numpy_random()), snapshot(), strict=True)):
            if self.before[place] is None and state is not None:
                self.before[place] = state
                self._replace_seed_functions(module, place)

    def _replace_seed_functions(self, module: Any, place: int) -> None:
        for function in ("seed", "setstate", "set_state"):
            actual = getattr(module, function, None)
            if actual is not None:
                self._replaced.append((module, function, actual))
                setattr(module, function, _noticing_seed(actual, self, place))

    def end(self) -> None:
        """Restore the modules; what is drawn from now on, for example to store the outputs, does not count."""
        self.after = snapshot()
        for module, function, actual in self._replaced:
            setattr(module, function, actual)

    @property
    def changed(self) -> tuple[str, ...]:
        """The generators whose state has changed: "random", "numpy"."""
        return tuple(
            name
            for name, old, new in zip(GENERATORS, self.before, self.after or snapshot(), strict=True)
            if old is not None and not _is_equal(old, new)
        )

    def final_state(self, generator: str) -> Any:
        """The state in which the block left a generator.

        Args:
            generator: "random" or "numpy".

        Returns:
            The state as the generator's module gives it.
        """
        return (self.after or snapshot())[GENERATORS.index(generator)]

    @property
    def initial_states(self) -> str:
        """The states before the block of those `unseeded_draws`, as ``numpy:digest``, space-separated."""
        drawn = self.unseeded_draws
        return " ".join(f"{name}:{digest(self.before[GENERATORS.index(name)])}" for name in drawn)

    @property
    def unseeded_draws(self) -> tuple[str, ...]:
        """The generators from which the block drew without seeding them before."""
        return tuple(name for name in self.changed if name not in self.reseeded)


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Restore the random states after the block, in which zenbook works for a step: a store's client draws, too."""
    random_before, numpy_before = snapshot()
    try:
        yield
    finally:
        random_after, numpy_after = snapshot()
        if random_before != random_after:
            random.setstate(random_before)
        if numpy_before is not None and not _is_equal(numpy_before, numpy_after):
            _numpy_random().set_state(numpy_before)


@contextmanager
def tracked(imported: Callable[[], None]) -> Iterator[RandomStateTracker]:
    """Track the global random states while the block runs.

    What modules draw while they are imported does not count: see `_importing`.

    Args:
        imported: Called whenever modules have been imported.

    Yields:
        What tracks the states.
    """
    tracker = RandomStateTracker()
    actual_import = builtins.__import__

    def look() -> None:
        tracker.look()  # NumPy may have been imported
        imported()

    builtins.__import__ = ours = _importing(actual_import, look)
    try:
        yield tracker
    finally:
        tracker.end()
        if builtins.__import__ is ours:
            builtins.__import__ = actual_import


def _importing(actual: Callable[..., Any], look: Callable[[], None]) -> Callable[..., Any]:
    # Some modules draw when they are first imported. Whether a step comes first is chance; it must not look as if the
    # step drew, and must not change what it draws.
    busy: set[int] = set()  # threads that are within an import: the outermost one restores what an inner one draws

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        thread = get_ident()
        if thread in busy:
            return actual(name, *args, **kwargs)
        loaded = sys.modules.get(name)
        names = (args[2] if len(args) > 2 else kwargs.get("fromlist")) or ()
        if loaded is not None and all(attribute in vars(loaded) for attribute in names):
            return actual(name, *args, **kwargs)
        busy.add(thread)
        before, count = snapshot(), len(sys.modules)
        try:
            return actual(name, *args, **kwargs)
        finally:
            busy.discard(thread)
            if len(sys.modules) != count:
                random.setstate(before[0])
                if before[1] is not None:
                    _numpy_random().set_state(before[1])
                look()

    return importing


def snapshot() -> State:
    """The states as they are now."""
    numpy = _numpy_random()
    return random.getstate(), None if numpy is None else numpy.get_state()


def state_of(generator: str) -> Any:
    """The state of one generator now.

    Args:
        generator: "random" or "numpy".

    Returns:
        The state; None if the generator's module is not loaded.
    """
    return snapshot()[GENERATORS.index(generator)]


def restore(generator: str, data: bytes) -> None:
    """Set the state of one generator.

    Args:
        generator: "random" or "numpy".
        data: What `to_bytes` returned; the metadata store must vouch for it.
    """
    state = pickle.loads(data)
    if generator == "random":
        random.setstate(state)
    else:
        import numpy.random

        numpy.random.set_state(state)


def to_bytes(state: Any) -> bytes:
    """Pickle a generator's state.

    Args:
        state: The state as the generator's module gives it.

    Returns:
        Bytes that are equal for equal states.
    """
    return pickle.dumps(state, protocol=4)


def digest(state: Any) -> str:
    """What identifies a generator's state.

    Args:
        state: The state as the generator's module gives it.

    Returns:
        64 hex digits.
    """
    return digest_of_bytes(to_bytes(state))


def _noticing_seed(actual: Callable[..., Any], tracker: RandomStateTracker, place: int) -> Callable[..., Any]:
    def seed(*args: Any, **kwargs: Any) -> Any:
        fixed = (args or kwargs) and (args[0] if args else next(iter(kwargs.values()))) is not None
        if fixed and _is_equal(tracker.before[place], snapshot()[place]):
            tracker.reseeded.add(GENERATORS[place])
        return actual(*args, **kwargs)

    return seed


def _numpy_random() -> Any:
    """NumPy's module of random numbers once its import is complete; an attribute access on `numpy` would import it."""
    module = sys.modules.get("numpy.random")
    return module if hasattr(module, "get_state") else None


def _is_equal(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    if isinstance(first[1], tuple):
        return bool(first == second)
    return first[2:] == second[2:] and bool((first[1] == second[1]).all())
