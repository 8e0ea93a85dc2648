"""Names of steps and pipelines as identifiers: what every engine and every programming language takes.

An exporter and the worker that runs what it wrote have to agree on them, so both ask here.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """For each name a distinct Python identifier of ASCII letters, digits and underscores, in order."""
    found: dict[str, str] = {}
    used = set(taken)
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "step"
        plain = f"step_{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_" if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) else plain
        made, number = plain, 2
        while made in used:
            made, number = f"{plain}_{number}", number + 1
        used.add(made)
        found[name] = made
    return found


def dag_id_of(pipeline: str) -> str:
    """The id of a pipeline's DAG: what Airflow allows of its name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", pipeline).strip("_") or "pipeline"
