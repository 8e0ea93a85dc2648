"""``zen export script``: a plan as one plain Python script that needs no zenbook.

The code of all steps becomes one module, each definition once. Function steps are called by a function ``main``, each
with its own copies of its inputs, as in a run; step cells stand one after another, as in their notebook.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from zenbook.core.capsule import MAIN, Capsule
from zenbook.core.graph import StepKind
from zenbook.core.identifiers import identifiers
from zenbook.core.parsing import parse
from zenbook.core.plan import Plan
from zenbook.exporters.base import Exporter, ExportError
from zenbook.exporters.readable_source import statements
from zenbook.exporters.script_calls import command_line, main_function, value_source
from zenbook.exporters.script_modules import embedded, statements_by_module

SHIMS = {
    "log_metrics": """\

def log_metrics(values=None, /, *, step=None, **named):
    for name, value in {**(values or {}), **named}.items():
        print(f"{name} = {value}" + ("" if step is None else f" at {step}"))""",
}
_BLOCKS = ("def ", "class ", "async def ", "@")
_NOT_NEEDED = {"step", "pipeline"}
_INSTALL = "It needs Python {python} or later{packages}, and no zenbook."


class ScriptOptions(BaseModel):
    """A script has none."""

    model_config = ConfigDict(extra="forbid")


class ScriptExporter(Exporter):
    """One Python file."""

    name = "script"
    summary = "one plain Python script that needs no zenbook"
    options = ScriptOptions

    def files(self, plan: Plan, options: ScriptOptions) -> dict[str, str]:
        """The script. Raises `ExportError` for a plan that has no equal as a script."""
        if plan.external_inputs:
            given = ", ".join(plan.external_inputs)
            raise ExportError(
                f"The pipeline {plan.pipeline!r} is given objects ({given}), which a script can't hold.",
                "Load or make them in a step.",
            )
        cells = [node for node in plan.graph if node.kind is StepKind.CELL]
        if cells and len(cells) != len(plan.graph):
            raise ExportError("The pipeline mixes step cells and function steps.", "Export them one by one.")
        body = _cells(plan) if cells else _functions(plan)
        text = "\n\n".join(part for part in (_head(plan), *body) if part) + "\n"
        try:
            compile(text, "script", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ExportError(
                f"The steps of {plan.pipeline!r} don't stand in one script: {error.msg}.",
                "Is there an `await` in a cell?",
            ) from error
        return {f"{identifiers([plan.pipeline])[plan.pipeline]}.py": text}


def _head(plan: Plan) -> str:
    packages = f", and {', '.join(plan.requirements)}" if plan.requirements else ""
    need = _INSTALL.format(python=".".join(plan.python.split(".")[:2]), packages=packages)
    doc = f"{plan.doc.strip() or f'The pipeline {plan.pipeline!r}.'}\n\nWritten by zenbook. {need}\n"
    escaped = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}"""'


# --- function steps -----------------------------------------------------------------------------------------------


def _functions(plan: Plan) -> Iterator[str]:
    homes = sorted({plan.capsule_of(node.name).entry.partition(":")[0] for node in plan.graph})
    if len(homes) > 1:
        raise ExportError(
            f"The steps of {plan.pipeline!r} are from several modules ({', '.join(homes)}), which are no one script.",
            "Export to a target that carries modules, as airflow does, or move the steps into one file.",
        )
    modules = statements_by_module(plan)
    merged = modules.pop(homes[0], [])
    _refuse_conflicts(merged)
    future = [one for one in merged if one.startswith("from __future__")]
    imports = [one for one in merged if one.startswith(("import ", "from ")) and one not in future]
    rest = [one for one in merged if one not in future and one not in imports]
    main, needed = main_function(plan, merged)
    yield "\n".join(future[:1])
    yield from embedded(plan, modules, _plain)
    yield "\n".join(sorted(one for one in {*map(_without_zenbook, imports), *needed} if one))
    yield from _shims(merged)
    yield from (f"\n{one}" if one.startswith(_BLOCKS) else one for one in rest)
    yield f"\n{main}"


def _plain(texts: list[str]) -> str:
    """The text of a module of the project, without what it has of zenbook."""
    future = [one for one in texts if one.startswith("from __future__")]
    rest = [_without_zenbook(one) for one in texts if one not in future]
    return "\n\n".join(part for part in (*future, *_shims(texts), *rest) if part)


def _refuse_conflicts(merged: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for text in merged:
        for node in parse(text).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if known.setdefault(node.name, text) != text:
                raise ExportError(
                    f"Two steps use different versions of `{node.name}`.",
                    "Give them different names, or use one version.",
                )


# --- step cells ---------------------------------------------------------------------------------------------------


def _cells(plan: Plan) -> Iterator[str]:
    texts = [text for node in plan.graph for text in _own(plan.capsule_of(node.name))]
    future = sorted({one for one in texts if one.startswith("from __future__")})
    yield from future
    yield from embedded(plan, {name: own for name, own in statements_by_module(plan).items() if name != MAIN}, _plain)
    yield from _shims(texts)
    needed: set[str] = set()
    params = [f"{name} = {value_source(value, needed)}" for name, value in plan.params.items()]
    options = command_line(plan.params, needed, "_parser") if params else []
    yield "\n".join(sorted(one for one in needed if one))
    yield "\n".join(["# Parameters", *params]) if params else ""
    if options:
        options.append("globals().update(vars(_parser.parse_args()))")
        yield "\n".join(['if __name__ == "__main__":', *(f"    {line}" for line in options)])
    latest: dict[str, str] = {}
    for node in plan.graph:
        capsule = plan.capsule_of(node.name)
        yield f"# --- {' '.join(node.name.split())} ---"
        for text in _own(capsule):
            names = _names_bound(text)
            if text not in future and (not names or any(latest.get(one) != text for one in names)):
                latest |= dict.fromkeys(names, text)
                yield _without_zenbook(text)
        yield capsule.cell.strip("\n")
        latest = {name: text for name, text in latest.items() if name not in _names_bound(capsule.cell)}


def _own(capsule: Capsule) -> list[str]:
    return [text for one in capsule.modules if one.name == MAIN for text in statements(one)]


def _names_bound(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found


# --- what steps have of zenbook -----------------------------------------------------------------------------------


def _shims(texts: Sequence[str]) -> Iterator[str]:
    """Plain functions in the places of those that steps take from zenbook. Raises `ExportError` for what has none."""
    wanted: dict[str, str] = {}
    for text in texts:
        for node in ast.walk(parse(text)):
            outside = isinstance(node, ast.stmt) and not node.col_offset
            for name, known_as in _taken_from_zenbook(node):
                if (
                    outside
                    and name in SHIMS
                    and re.search(rf"\b{known_as}\b", "\n".join(one for one in texts if one != text))
                ):
                    wanted[name] = known_as
                elif not outside or (name not in SHIMS and name not in _NOT_NEEDED):
                    raise ExportError(
                        f"A step uses `{name}` of zenbook, which a script has no equal of.",
                        "Do without it in the steps.",
                    )
    for name in sorted(wanted):
        yield SHIMS[name]
        if wanted[name] != name:
            yield f"{wanted[name]} = {name}"


def _taken_from_zenbook(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zenbook":
        yield from ((one.name, one.asname or one.name) for one in node.names)
    elif isinstance(node, ast.Import):
        yield from ((one.name, one.asname or one.name) for one in node.names if one.name.partition(".")[0] == "zenbook")


def _without_zenbook(text: str) -> str:
    body = parse(text).body
    return "" if len(body) == 1 and any(True for _ in _taken_from_zenbook(body[0])) else text


__all__ = ["ScriptExporter", "ScriptOptions"]
