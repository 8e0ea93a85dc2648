"""The code of a plan's steps as one text, for people to read and to compare in a code review."""

from __future__ import annotations

from collections.abc import Iterator

from zenbook.core.capsule import Capsule, Module
from zenbook.core.parsing import parse
from zenbook.core.plan import Plan

_HEAD = '''\
"""The code of {steps} of {pipeline}, for people to read. What runs is in plan.json."""
'''


def readable_source(plan: Plan) -> str:
    """Write down all code that the steps run, each definition once.

    Args:
        plan: The plan.

    Returns:
        The source: for each step the definitions of the notebook, then those of project modules.
    """
    known: set[tuple[str, str]] = set()
    names = [node.name for node in plan.graph]
    head = _HEAD.format(
        steps=f"the {len(names)} steps" if len(names) > 1 else "the step", pipeline=_line(plan.pipeline)
    )
    parts = [head]
    for name in names:
        parts += _parts(plan.capsule_of(name), name, known)
    return "\n\n".join(parts).rstrip("\n") + "\n"


def _parts(capsule: Capsule, name: str, known: set[tuple[str, str]]) -> Iterator[str]:
    for module in capsule.modules:
        new = [text for text in statements(module) if (module.name, text) not in known]
        known.update((module.name, text) for text in new)
        if new:
            place = "" if module.name == "__main__" else f" (module {module.name})"
            yield f"# --- {_line(name)}{place} ---\n\n" + "\n\n".join(new)
    if capsule.cell and ("cell", capsule.cell) not in known:
        known.add(("cell", capsule.cell))
        yield f"# --- {_line(name)}: the cell ---\n\n{capsule.cell.strip()}"


def statements(module: Module) -> list[str]:
    """Split a module of a capsule into its top-level statements.

    Args:
        module: The module.

    Returns:
        The statements' sources, with the comments right above them.
    """
    lines = module.source.splitlines()
    texts = []
    start = 0
    for node in parse(module.source).body:
        end = node.end_lineno or node.lineno
        text = "\n".join(lines[start:end]).strip("\n")
        start = end
        if text.strip():
            texts.append(text)
    return texts


def _line(text: str) -> str:
    return " ".join(text.split())
