"""What a step costs when the store has seen thousands of runs."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.chain import chain
from benchmarks.figures import Figure, Result
from benchmarks.measuring import Turns, empty_folder, in_turns, seconds, workspace
from zenbook.core.digest import digest_of_text
from zenbook.core.states import StepState
from zenbook.stack.records import Batch
from zenbook.stack.stack import open_stack


def measure(*, runs: int = 10_000, steps: int = 50, repeats: int = 15, length: int = 5) -> Result:
    """Milliseconds a step in an empty store and in one with ``runs`` runs of ``length`` steps of the same pipeline."""
    with empty_folder() as folder:
        empty, full = folder / "empty", folder / "full"
        for one in (empty, full):
            with workspace(one):
                chain(x=0, n=steps)
        filling = seconds(lambda: _fill(full, runs, length))
        found = in_turns(
            {
                "empty": lambda n: _run(empty, (n + 1) * 10 * steps, steps),
                "full": lambda n: _run(full, (n + 1) * 10 * steps, steps),
                "empty, cached": lambda n: _run(empty, 0, steps),
                "full, cached": lambda n: _run(full, 0, steps),
            },
            repeats,
        )
        size = (full / ".zen" / "metadata.sqlite").stat().st_size
    return Result(
        f"Per-step cost after {runs:,} recorded runs",
        (
            _figure("first", found, "full", "empty", steps),
            _figure("cached", found, "full, cached", "empty, cached", steps),
        ),
        f"Timed: the whole call of a chain of {steps} steps, in turns in both stores. The full one\n"
        f"  ({size / 1e6:.0f} MB, filled in {filling:.0f} s) holds {runs:,} runs of {length} steps of the same\n"
        "  pipeline, half of them with steps from the cache.",
    )


def _figure(name: str, found: Turns, full: str, empty: str, steps: int) -> Figure:
    detail = f"{found[full] * 1e3 / steps:.3f} and {found[empty] * 1e3 / steps:.3f} ms/step"
    return Figure(f"{name}, over an empty store", found.ratio(full, empty), "×", 1.2, detail)


def _run(where: Path, x: int, steps: int) -> float:
    with workspace(where):
        return seconds(partial(chain, x=x, n=steps))


def _fill(where: Path, runs: int, length: int) -> None:
    """Record runs as running a short chain does, through the store's own interface."""
    with workspace(where):
        model = chain(x=-length, n=length).id
        store = open_stack().metadata
    record = store.run(model)
    environment = store.environment(record.environment)
    params = list(store.params([model]))
    rows = Batch(
        steps=list(store.steps([model])),
        outputs=list(store.outputs([model])),
        inputs=list(store.inputs([model])),
        metrics=list(store.metrics([model])),
    )
    for number in range(runs):
        run = f"20200101-{number:06d}-aaaaaa"
        batch = _as_run(rows, model, run, cached=number % 2 == 1)
        store.create_run(
            replace(record, id=run, created_at=time.time()),
            steps=batch.steps,
            params=[replace(one, run=run) for one in params],
            code=[],
            environment=environment,
        )
        store.write(batch)


def _as_run(model: Batch, id: str, run: str, *, cached: bool) -> Batch:
    """The rows of a run like the model: all steps from the cache, or all with keys of their own."""
    return Batch(
        steps=[
            replace(one, run=run, state=StepState.CACHED, cached_from=id)
            if cached
            else replace(one, run=run, cache_key=digest_of_text(f"{run} {one.name}"))
            for one in model.steps
        ],
        outputs=[replace(one, run=run) for one in model.outputs],
        inputs=[replace(one, run=run) for one in model.inputs],
        metrics=[replace(one, run=run) for one in model.metrics],
    )
