"""Why a step ran or was served from the cache, by comparison with the run before."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping

from zenbook.core.canonical import canonical
from zenbook.core.capsule import Capsule
from zenbook.core.states import StepState
from zenbook.core.values import show
from zenbook.runs.randomness import OUTPUTS
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import InputRecord, ParamRecord, RunRecord, StepRecord


def explain(metadata: MetadataStore, run: RunRecord, step: StepRecord) -> str:
    """One sentence: what is unchanged, or what changed since the step's run before."""
    if step.why:
        return step.why
    if step.state is StepState.PENDING:
        return "it has not begun"
    if not step.cache_key:
        return (
            "some of what it makes can't be stored, so it runs each time"
            if step.state.has_outputs
            else "it has not run"
        )
    before = metadata.previous_step(run.pipeline, step.name, before=run.id)
    if before is None:
        return "it has not run before"
    changes = list(_changes(metadata, step, before))
    if changes:
        return f"since run {before.run}: {'; '.join(changes)}"
    if not before.state.has_outputs:
        return f"in run {before.run} it was {before.state}"
    return (
        f"its code, parameters and inputs are those of run {before.run}: the version of a package whose objects it "
        "takes changed, or that run can't be served again"
    )


def _changes(metadata: MetadataStore, step: StepRecord, before: StepRecord) -> Iterable[str]:
    if step.fingerprint != before.fingerprint:
        yield from _code_changes(_capsule(metadata, step), _capsule(metadata, before))
    yield from _param_changes(metadata, step, before)
    if not (step.state.has_outputs and before.state.has_outputs):
        return  # which inputs a step used is recorded with its end
    new, old = (_inputs(metadata.inputs([one.run]), one.name) for one in (step, before))
    for name in sorted(new.keys() | old.keys()):
        if name in OUTPUTS.values():
            continue
        if name not in old:
            yield f"the input `{name}` is new"
        elif name not in new:
            yield f"the input `{name}` is gone"
        elif new[name] != old[name]:
            yield f"the input `{name}` has another content"


def _capsule(metadata: MetadataStore, step: StepRecord) -> Capsule | None:
    record = metadata.code(step.capsule)
    return Capsule.from_json(json.loads(record.capsule)) if record is not None else None


def _code_changes(new: Capsule | None, old: Capsule | None) -> Iterable[str]:
    if new is None or old is None:
        yield "its code changed"
        return
    versions, before = dict(new.requirements), dict(old.requirements)
    for name in sorted(versions.keys() | before.keys()):
        if versions.get(name) != before.get(name):
            yield f"{name} changed from {before.get(name) or 'none'} to {versions.get(name) or 'none'}"
    parts, were = _parts(new), _parts(old)
    for name in sorted(parts.keys() | were.keys()):
        if name not in were:
            yield f"`{name}` is new in its code"
        elif name not in parts:
            yield f"`{name}` is no longer in its code"
        elif parts[name] != were[name]:
            yield f"`{name}` was edited"


def _parts(capsule: Capsule) -> dict[str, str]:
    """The canonical form of each top-level statement, by what it binds."""
    parts: dict[str, str] = {}
    for module in capsule.modules:
        prefix = "" if module.name == "__main__" else f"{module.name}."
        for place, node in enumerate(ast.parse(module.source).body):
            name = _bound(node) or f"statement {place + 1}"
            parts[prefix + name] = parts.get(prefix + name, "") + canonical(node)
    if capsule.cell:
        parts["the cell"] = canonical(ast.parse(capsule.cell))
    return parts


def _bound(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.Import | ast.ImportFrom):
        return ", ".join(one.asname or one.name for one in node.names)
    return ""


def _param_changes(metadata: MetadataStore, step: StepRecord, before: StepRecord) -> Iterable[str]:
    new = _params(metadata.params([step.run]), step.name)
    old = _params(metadata.params([before.run]), before.name)
    for name in sorted(new.keys() | old.keys()):
        one, other = new.get(name), old.get(name)
        if one is None or other is None:
            yield f"the parameter `{name}` is {'new' if other is None else 'gone'}"
        elif one.value != other.value:
            values = show(json.loads(other.value)), show(json.loads(one.value))
            yield f"the parameter `{name}` changed from {values[0]} to {values[1]}"
        elif one.content != other.content:
            yield f"the file of the parameter `{name}` has another content"


def _params(records: Iterable[ParamRecord], step: str) -> Mapping[str, ParamRecord]:
    return {one.name: one for one in records if one.step == step}


def _inputs(records: Iterable[InputRecord], step: str) -> Mapping[str, tuple[str, str, str]]:
    return {one.name: (one.digest, one.format, one.member) for one in records if one.step == step}
