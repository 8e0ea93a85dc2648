"""A chain of trivial steps: what a step costs that does nothing."""

from __future__ import annotations

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, seconds
from zenbook import pipeline, step


@step
def inc(x: int) -> int:
    """Add one."""
    return x + 1


@pipeline
def chain(x: int, n: int):
    """Steps one after another."""
    for _ in range(n):
        x = inc(x)


def measure(*, steps: int = 100, repeats: int = 9) -> Result:
    """Milliseconds a step: first, cached, joblib.Memory's, and of the plain call."""
    from joblib import Memory

    with empty_folder() as folder:
        remembered = Memory(str(folder / "joblib"), verbose=0).cache(_inc)
        chain(x=-1, n=3)  # opens the stores
        chain(x=0, n=steps)
        _chain(remembered, 0, steps)
        # The numbers of one repetition's chain are no other's, so each step is new.
        found = in_turns(
            {
                "first": lambda n: seconds(lambda: chain(x=(n + 1) * 10 * steps, n=steps)),
                "cached": lambda n: seconds(lambda: chain(x=0, n=steps)),
                "joblib": lambda n: seconds(lambda: _chain(remembered, (n + 1) * 10 * steps, steps)),
                "joblib cached": lambda n: seconds(lambda: _chain(remembered, 0, steps)),
                "plain": lambda n: seconds(lambda: _chain(_inc, n, steps)),
            },
            repeats,
        )
    each = {name: found[name] * 1e3 / steps for name in found.values}
    return Result(
        f"A chain of {steps} trivial steps",
        (
            Figure("first: run, stored, recorded", each["first"], "ms/step", 1.0),
            Figure("again: all cached, recorded", each["cached"], "ms/step", 0.2),
            Figure("joblib.Memory, first", each["joblib"], "ms/step", detail="records nothing"),
            Figure("joblib.Memory, again", each["joblib cached"], "ms/step", detail="records nothing"),
            Figure("plain call", each["plain"], "ms/step"),
        ),
        "Timed: the whole call of the pipeline (trace, plan, run) over its number of steps.",
    )


def _inc(x: int) -> int:
    return x + 1


def _chain(function, x: int, n: int) -> int:
    for _ in range(n):
        x = function(x)
    return x
