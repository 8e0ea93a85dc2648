"""The global random states of `random` and NumPy: an implicit input and output of a cell, and a trap for a function.

Whether code drew from a state is seen by comparing it before and after; whether it depended on the state that it
found is seen by watching for a seed that is set before the first draw.
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


class Watch:
    """What happened to the global random states while the block ran."""

    def __init__(self) -> None:
        self.before: list[Any] = [None for _ in GENERATORS]
        self.after: State | None = None  # once the block is over
        self.reseeded: set[str] = set()  # seeded while the state was still the one that was found
        self._replaced: list[tuple[Any, str, Any]] = []
        self.look()

    def look(self) -> None:
        """Begin to watch the generators whose modules are there by now."""
        for place, (module, state) in enumerate(zip((random, _numpy_random()), snapshot(), strict=True)):
            if self.before[place] is None and state is not None:
                self.before[place] = state
                self._note_seeds(module, place)

    def _note_seeds(self, module: Any, place: int) -> None:
        for function in ("seed", "setstate", "set_state"):
            actual = getattr(module, function, None)
            if actual is not None:
                self._replaced.append((module, function, actual))
                setattr(module, function, _noting(actual, self, place))

    def end(self) -> None:
        """Leave the modules as they were; what is drawn from now on, to store the outputs say, counts no more."""
        self.after = snapshot()
        for module, function, actual in self._replaced:
            setattr(module, function, actual)

    @property
    def changed(self) -> tuple[str, ...]:
        """The generators whose state is another than before: "random", "numpy"."""
        return tuple(
            name
            for name, old, new in zip(GENERATORS, self.before, self.after or snapshot(), strict=True)
            if old is not None and not _same(old, new)
        )

    def left(self, generator: str) -> Any:
        """The state in which the block left a generator."""
        return (self.after or snapshot())[GENERATORS.index(generator)]

    @property
    def found(self) -> str:
        """The digests of the states from which was drawn as they were found, as ``numpy:digest``, space-separated."""
        return " ".join(f"{one}:{digest(self.before[GENERATORS.index(one)])}" for one in self.drew)

    @property
    def drew(self) -> tuple[str, ...]:
        """The generators from which was drawn without a seed before."""
        return tuple(name for name in self.changed if name not in self.reseeded)


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Give back what the block draws: a store's client draws when it connects, which must not change users' numbers.

    What draws in the block is our own work for a step, and never a step's.
    """
    random_before, numpy_before = snapshot()
    try:
        yield
    finally:
        random_after, numpy_after = snapshot()
        if random_before != random_after:
            random.setstate(random_before)
        if numpy_before is not None and not _same(numpy_before, numpy_after):
            _numpy_random().set_state(numpy_before)


@contextmanager
def watched(imported: Callable[[], None]) -> Iterator[Watch]:
    """Watch the global random states, and call ``imported`` whenever modules have been imported.

    What modules draw while they are imported is given back: see `_importing`.
    """
    watch = Watch()
    actual_import = builtins.__import__

    def look() -> None:
        watch.look()  # NumPy may have come
        imported()

    builtins.__import__ = ours = _importing(actual_import, look)
    try:
        yield watch
    finally:
        watch.end()
        if builtins.__import__ is ours:
            builtins.__import__ = actual_import


def _importing(actual: Callable[..., Any], look: Callable[[], None]) -> Callable[..., Any]:
    """An import that leaves the states as they were.

    Some modules draw when they are first imported. Whether a step comes first is chance; it must not look as if the
    step drew, and must not change what it draws.
    """
    busy: set[int] = set()  # threads that are within an import: what an inner one draws, the outermost gives back

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        thread = get_ident()
        if thread in busy:
            return actual(name, *args, **kwargs)
        loaded = sys.modules.get(name)
        wanted = (args[2] if len(args) > 2 else kwargs.get("fromlist")) or ()
        if loaded is not None and all(one in vars(loaded) for one in wanted):
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
    """The state of one generator, or None where its module is not loaded."""
    return snapshot()[GENERATORS.index(generator)]


def restore(generator: str, data: bytes) -> None:
    """Set the state of one generator to what `to_bytes` was given; the bytes must be known to the metadata store."""
    state = pickle.loads(data)
    if generator == "random":
        random.setstate(state)
    else:
        import numpy.random

        numpy.random.set_state(state)


def to_bytes(state: Any) -> bytes:
    """A generator's state as bytes."""
    return pickle.dumps(state, protocol=4)


def digest(state: Any) -> str:
    """What identifies a generator's state, 64 hex digits."""
    return digest_of_bytes(to_bytes(state))


def _noting(actual: Callable[..., Any], watch: Watch, place: int) -> Callable[..., Any]:
    def seed(*args: Any, **kwargs: Any) -> Any:
        fixed = (args or kwargs) and (args[0] if args else next(iter(kwargs.values()))) is not None
        if fixed and _same(watch.before[place], snapshot()[place]):
            watch.reseeded.add(GENERATORS[place])
        return actual(*args, **kwargs)

    return seed


def _numpy_random() -> Any:
    """NumPy's module of random numbers once it is there in whole; asking `numpy` for it would import it."""
    module = sys.modules.get("numpy.random")
    return module if hasattr(module, "get_state") else None


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one[1], tuple):
        return bool(one == other)
    return one[2:] == other[2:] and bool((one[1] == other[1]).all())
