"""What a step costs when the store has seen thousands of runs."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.chain import chain
from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, seconds, workspace
from zenbook.core.digest import digest_of_text
from zenbook.core.states import StepState
from zenbook.stack.components import MetadataStore
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
    each = {name: value * 1e3 / steps for name, value in found.items()}
    return Result(
        f"Per-step cost after {runs:,} recorded runs",
        (
            _figure("first", each["full"], each["empty"]),
            _figure("cached", each["full, cached"], each["empty, cached"]),
        ),
        f"Timed: the whole call of a chain of {steps} steps, in turns in both stores. The full one ({size / 1e6:.0f} MB, "
        f"filled in {filling:.0f} s)\n  holds {runs:,} runs of {length} steps of the same pipeline, half of them with "
        "steps from the cache.",
    )


def _figure(name: str, full: float, empty: float) -> Figure:
    return Figure(f"{name}, over an empty store", full / empty, "×", 1.2, f"{full:.3f} and {empty:.3f} ms/step")


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
    for number in range(runs):
        run = f"20200101-{number:06d}-aaaaaa"
        shown = _as_run(store, model, run, number)
        store.create_run(
            replace(record, id=run, created_at=time.time()),
            steps=shown.steps, params=[replace(one, run=run) for one in _params(store, model)],
            code=[], environment=environment,
        )  # fmt: skip
        store.write(shown)


_known: dict[str, tuple] = {}


def _params(store: MetadataStore, model: str):
    return _rows(store, model)[0]


def _rows(store: MetadataStore, model: str) -> tuple:
    if model not in _known:
        of = [model]
        _known[model] = tuple(map(list, (store.params(of), store.steps(of), store.outputs(of), store.inputs(of), store.metrics(of))))
    return _known[model]


def _as_run(store: MetadataStore, model: str, run: str, number: int) -> Batch:
    """The rows of a run like the model: of every other one all steps are cached, else all have keys of their own."""
    _, steps, outputs, inputs, metrics = _rows(store, model)
    cached = number % 2 == 1
    return Batch(
        steps=[
            replace(one, run=run, state=StepState.CACHED, cached_from=model)
            if cached
            else replace(one, run=run, cache_key=digest_of_text(f"{run} {one.name}"))
            for one in steps
        ],
        outputs=[replace(one, run=run) for one in outputs],
        inputs=[replace(one, run=run) for one in inputs],
        metrics=[replace(one, run=run) for one in metrics],
    )
