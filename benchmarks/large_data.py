"""Hundreds of megabytes from one step to the next, in a process of their own: time and peak memory."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, python
from zenbook import pipeline, step

COLUMNS = 8
marks: dict[str, float] = {}


@step
def make_frame(rows: int, seed: int):
    """pandas lays the array out column by column."""
    import sys
    import time

    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(seed)
    made = pd.DataFrame(draw.random((rows, 8)), columns=[f"c{one}" for one in range(8)])
    sys.zenbook_marks["returned"] = time.perf_counter()
    return made


@step
def make_rows(rows: int, seed: int):
    """Row after row, as the array is: the worst case for a format of columns."""
    import sys
    import time

    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(seed)
    made = pd.DataFrame(draw.random((rows, 8)), columns=[f"c{one}" for one in range(8)], copy=False)
    sys.zenbook_marks["returned"] = time.perf_counter()
    return made


@step
def make_array(rows: int, seed: int):
    """One array."""
    import sys
    import time

    import numpy as np

    made = np.random.default_rng(seed).random(rows)
    sys.zenbook_marks["returned"] = time.perf_counter()
    return made


@step
def use(data) -> float:
    """Look at all of it."""
    import sys
    import time

    sys.zenbook_marks["given"] = time.perf_counter()
    return float(data.to_numpy().sum() if hasattr(data, "to_numpy") else data.sum())


@pipeline
def passing(kind: str, rows: int, seed: int):
    """One step makes, the other uses."""
    use(MAKERS[kind](rows, seed))


MAKERS = {"frame": make_frame, "rows": make_rows, "array": make_array}
KINDS = {"frame": "DataFrame", "rows": "DataFrame over rows", "array": "array"}


def measure(*, rows: int = 5_000_000, numbers: int = 50_000_000, repeats: int = 7) -> Result:
    """Time over one plain Arrow IPC write, peak memory over the data, for each kind of data."""
    figures: list[Figure] = []
    for kind, what in KINDS.items():
        count = numbers if kind == "array" else rows
        size = count * 8 * (1 if kind == "array" else COLUMNS)
        name = f"{what}, {size / 1e6:.0f} MB"
        timed = _child("time", kind, count, repeats)
        memory = _child("memory", kind, count, 1)
        detail = f"{timed['passed'] * 1e3:.0f} ms; one plain Arrow IPC write {timed['written'] * 1e3:.0f} ms"
        figures += [
            Figure(f"{name}: time", timed["ratio"], "× a write", 1.5, detail),
            Figure(f"{name}: peak memory", memory["peak"] / size, "× the data", 2.5),
        ]
    return Result(
        "Large data from one step to the next",
        tuple(figures),
        "Timed: from the return of the producing function to the first line of the consuming one, which has its\n"
        "  argument then (so: store, digest, record, look the next step up, load). A plain write is pyarrow's own of\n"
        "  the same data to the same disk. Memory: the highest resident size of a new process in which the data is\n"
        "  made, passed and summed up, less its size with all imported and opened.",
    )


def _child(what: str, kind: str, count: int, repeats: int) -> dict[str, float]:
    with empty_folder() as folder:
        printed = python("-m", "benchmarks.large_data", what, kind, str(count), str(repeats), folder=folder)
    return json.loads(printed.splitlines()[-1])


def _time(kind: str, count: int, repeats: int) -> dict[str, float]:
    _pass(kind, 1000, 0)
    found = in_turns(
        {"passed": lambda n: _pass(kind, count, n + 1), "written": lambda n: _write(kind, count, n + 1)}, repeats
    )
    return {"ratio": found.ratio("passed", "written"), "passed": found["passed"], "written": found["written"]}


def _memory(kind: str, count: int, _repeats: int) -> dict[str, float]:
    import pandas as pd
    import pyarrow as pa  # noqa: F401

    _pass(kind, 1000, 0)
    pd.DataFrame({"a": [1.0]}).to_numpy().sum()
    Path("/proc/self/clear_refs").write_text("5")  # the highest size starts from here
    before = _resident("VmRSS")
    _pass(kind, count, 1)
    return {"peak": _resident("VmHWM") - before}


def _pass(kind: str, count: int, seed: int) -> float:
    sys.zenbook_marks = marks
    os.sync()  # what others have written is no cost of ours
    run = passing(kind, count, seed)
    for one in run.steps.values():
        for output in one.outputs.values():
            Path(output.uri).unlink(missing_ok=True)
    return marks["given"] - marks["returned"]


def _write(kind: str, count: int, seed: int) -> float:
    import pyarrow as pa

    data = MAKERS[kind](count, seed)
    file = Path("plain.arrow")
    os.sync()
    start = time.perf_counter()
    table = pa.table({"values": data}) if kind == "array" else pa.Table.from_pandas(data)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    took = time.perf_counter() - start
    file.unlink()
    return took


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    work, kind, count, repeats = sys.argv[1:]
    print(json.dumps((_time if work == "time" else _memory)(kind, int(count), int(repeats))))
