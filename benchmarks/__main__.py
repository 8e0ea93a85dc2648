"""``python -m benchmarks [name…]``: measure all, or those that are named, and print a table of each."""

from __future__ import annotations

import importlib
import os
import sys

from benchmarks.figures import over, table

NAMES = (
    "chain",
    "fresh_process",
    "large_data",
    "many_runs",
    "metadata_stores",
    "object_stores",
    "comparing",
    "exporting",
    "airflow_runs",
    "imports",
    "run_panel",
    "panels_in_browser",
    "history_in_sql",
)


def main(wanted: list[str]) -> int:
    """Exit status 1 when a figure misses its target, 2 for a name that there is not."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are {', '.join(NAMES)}.")
        return 2
    results = []
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}\n")
    for name in wanted or NAMES:
        results.append(importlib.import_module(f"benchmarks.{name}").measure())
        print(table(results[-1]), end="\n\n", flush=True)
    missed = over(results)
    print(f"Over their targets: {', '.join(missed)}." if missed else "All targets are met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
