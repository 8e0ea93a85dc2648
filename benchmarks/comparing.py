"""What it costs to compare runs: two in full, 1,000 by their parameters and metrics, and two large frames."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.chain import chain
from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, seconds, workspace
from zenbook.history.comparison.frame_differences import frame_changes
from zenbook.history.runs import runs as list_runs
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Batch, MetricRecord, ParamRecord, RunRecord
from zenbook.stack.stack import open_stack


def measure(
    *, runs: int = 1_000, params: int = 10, metrics: int = 20, steps: int = 20, rows: int = 5_000_000, repeats: int = 7
) -> Result:
    """Milliseconds for a comparison with all it shows; seconds for frames of ``rows`` rows of 8 columns."""
    with empty_folder() as folder, workspace(folder):
        first, second = chain(x=0, n=steps), chain(x=1, n=steps)
        repr(first.diff(second))  # what is imported on first use
        two = _best(lambda: repr(first.diff(second)), repeats)
        store = open_stack().metadata
        model = store.run(first.id)
        assert model is not None
        _fill(store, model, runs, params, metrics)
        listed = list_runs("sweep", limit=runs)
        many = _best(lambda: repr(listed.compare()), repeats)
        drawn = _best(lambda: listed.compare().plot().svg, 3)
        shown = _best(lambda: listed.compare()._repr_html_(), 3)
        frames = _best(_frames(rows), 1)
    return Result(
        "Comparing runs",
        (
            Figure("2 runs", two * 1e3, "ms", 100, f"of {steps} steps, every section as text"),
            Figure(f"{runs:,} runs", many * 1e3, "ms", 500, f"{params} parameters, {metrics} metrics each; as text"),
            Figure(f"{runs:,} runs as parallel coordinates", drawn * 1e3, "ms"),
            Figure(f"{runs:,} runs in a notebook, with all pictures", shown * 1e3, "ms"),
            Figure("2 frames", frames, "s", None, f"{rows:,} × 8, by key, with distributions"),
        ),
        "Timed: reading from the store and comparing, best of several; what runs made is on the local disk.",
    )


def _best(work: Callable[[], object], repeats: int) -> float:
    return min(seconds(work) for _ in range(repeats))


def _fill(store: MetadataStore, model: RunRecord, runs: int, params: int, metrics: int) -> None:
    draw = random.Random(0)
    for number in range(runs):
        run = f"20200101-{number:06d}-aaaaaa"
        values = [ParamRecord(run, "", f"p{n}", repr(draw.choice([0.1, 0.2, 0.3]))) for n in range(params)]
        store.create_run(
            replace(model, id=run, pipeline="sweep", created_at=time.time()),
            steps=[],
            params=values,
            code=[],
            environment=None,
        )
        found = [MetricRecord(run, "fit", f"m{n}", 0, draw.random(), 0.0) for n in range(metrics)]
        store.write(Batch(metrics=found))


def _frames(rows: int) -> Callable[[], object]:
    import numpy as np
    import pyarrow as pa

    draw = np.random.default_rng(0)
    columns = {"id": np.arange(rows)}
    columns |= {f"x{n}": draw.normal(size=rows) for n in range(5)}
    columns |= {"n": draw.integers(0, 1000, rows)}
    kinds = pa.array(np.array(["a", "b", "c", "d"])[draw.integers(0, 4, rows)])
    old = pa.table({**columns, "kind": kinds})
    changed = {**columns, "x0": columns["x0"] + (columns["id"] % 10 == 0), "n": columns["n"][::-1]}
    new = pa.table({**changed, "kind": kinds})
    return lambda: frame_changes(old, new)
