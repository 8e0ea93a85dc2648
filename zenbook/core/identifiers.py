"""Names of steps and pipelines as identifiers that every engine and every programming language accepts.

An exporter and the worker that runs what it wrote have to agree on them, so both use this module.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Make a Python identifier of ASCII letters, digits and underscores for each name.

    Args:
        names: Any names.
        taken: Identifiers that may not be used.

    Returns:
        The identifiers by name, in order; no two are equal.
    """
    result: dict[str, str] = {}
    used = set(taken)
    for name in names:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "step"
        plain = f"step_{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_" if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) else plain
        candidate, number = plain, 2
        while candidate in used:
            candidate, number = f"{plain}_{number}", number + 1
        used.add(candidate)
        result[name] = candidate
    return result


def dag_id_of(pipeline: str) -> str:
    """Make the id of a pipeline's DAG.

    Args:
        pipeline: The pipeline's name.

    Returns:
        The name with only those characters that Airflow allows.
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", pipeline).strip("_") or "pipeline"
