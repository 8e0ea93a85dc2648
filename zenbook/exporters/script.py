"""``zen export script``: a plan as one plain Python script that does not need zenbook.

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
from zenbook.exporters.script_modules import embed_modules, statements_by_module

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
    """The options of a script, of which there are none."""

    model_config = ConfigDict(extra="forbid")


class ScriptExporter(Exporter):
    """One Python file."""

    name = "script"
    summary = "one plain Python script that needs no zenbook"
    options = ScriptOptions

    def files(self, plan: Plan, options: ScriptOptions) -> dict[str, str]:
        """Write the script, unless the plan does something that a script cannot do."""
        if plan.external_inputs:
            names = ", ".join(plan.external_inputs)
            raise ExportError(
                f"Objects are passed to the pipeline {plan.pipeline!r} ({names}), and a script cannot contain them.",
                "Load or create them in a step.",
            )
        cells = [node for node in plan.graph if node.kind is StepKind.CELL]
        if cells and len(cells) != len(plan.graph):
            raise ExportError(
                "The pipeline mixes step cells and function steps.",
                "Export the step cells and the function steps separately.",
            )
        body = _cells(plan) if cells else _functions(plan)
        text = "\n\n".join(part for part in (_head(plan), *body) if part) + "\n"
        try:
            compile(text, "script", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ExportError(
                f"The steps of {plan.pipeline!r} cannot be put into one script: {error.msg}.",
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
            f"The steps of {plan.pipeline!r} are in several modules ({', '.join(homes)}); a script needs one.",
            "Move the steps into one file, or use an exporter that supports modules, such as airflow.",
        )
    modules = statements_by_module(plan)
    merged = modules.pop(homes[0], [])
    _refuse_conflicts(merged)
    future = [text for text in merged if text.startswith("from __future__")]
    imports = [text for text in merged if text.startswith(("import ", "from ")) and text not in future]
    rest = [text for text in merged if text not in future and text not in imports]
    main, needed = main_function(plan, merged)
    yield "\n".join(future[:1])
    yield from embed_modules(plan, modules, _module_without_zenbook)
    yield "\n".join(sorted(line for line in {*map(_without_zenbook, imports), *needed} if line))
    yield from _shims(merged)
    yield from (f"\n{text}" if text.startswith(_BLOCKS) else text for text in rest)
    yield f"\n{main}"


def _module_without_zenbook(texts: list[str]) -> str:
    """The source of a project module, without its imports from zenbook."""
    future = [text for text in texts if text.startswith("from __future__")]
    rest = [_without_zenbook(text) for text in texts if text not in future]
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
                    "Give them different names, or use the same version in both.",
                )


# --- step cells ---------------------------------------------------------------------------------------------------


def _cells(plan: Plan) -> Iterator[str]:
    texts = [text for node in plan.graph for text in _notebook_statements(plan.capsule_of(node.name))]
    future = sorted({text for text in texts if text.startswith("from __future__")})
    yield from future
    modules = {name: own for name, own in statements_by_module(plan).items() if name != MAIN}
    yield from embed_modules(plan, modules, _module_without_zenbook)
    yield from _shims(texts)
    needed: set[str] = set()
    params = [f"{name} = {value_source(value, needed)}" for name, value in plan.params.items()]
    options = command_line(plan.params, needed, "_parser") if params else []
    yield "\n".join(sorted(line for line in needed if line))
    yield "\n".join(["# Parameters", *params]) if params else ""
    if options:
        options.append("globals().update(vars(_parser.parse_args()))")
        yield "\n".join(['if __name__ == "__main__":', *(f"    {line}" for line in options)])
    latest: dict[str, str] = {}
    for node in plan.graph:
        capsule = plan.capsule_of(node.name)
        yield f"# --- {' '.join(node.name.split())} ---"
        for text in _notebook_statements(capsule):
            names = _names_bound(text)
            if text not in future and (not names or any(latest.get(name) != text for name in names)):
                latest |= dict.fromkeys(names, text)
                yield _without_zenbook(text)
        yield capsule.cell.strip("\n")
        latest = {name: text for name, text in latest.items() if name not in _names_bound(capsule.cell)}


def _notebook_statements(capsule: Capsule) -> list[str]:
    return [text for module in capsule.modules if module.name == MAIN for text in statements(module)]


def _names_bound(text: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    return names


# --- what steps import from zenbook -----------------------------------------------------------------------------------


def _shims(texts: Sequence[str]) -> Iterator[str]:
    """Plain functions that replace those which steps import from zenbook."""
    used: dict[str, str] = {}
    for text in texts:
        for node in ast.walk(parse(text)):
            top_level = isinstance(node, ast.stmt) and not node.col_offset
            for name, known_as in _imports_from_zenbook(node):
                if (
                    top_level
                    and name in SHIMS
                    and re.search(rf"\b{known_as}\b", "\n".join(other for other in texts if other != text))
                ):
                    used[name] = known_as
                elif not top_level or (name not in SHIMS and name not in _NOT_NEEDED):
                    raise ExportError(
                        f"A step uses `{name}` from zenbook, which a script cannot do.",
                        "Remove it from the step.",
                    )
    for name in sorted(used):
        yield SHIMS[name]
        if used[name] != name:
            yield f"{used[name]} = {name}"


def _imports_from_zenbook(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zenbook":
        yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.partition(".")[0] == "zenbook":
                yield alias.name, alias.asname or alias.name


def _without_zenbook(text: str) -> str:
    body = parse(text).body
    return "" if len(body) == 1 and any(True for _ in _imports_from_zenbook(body[0])) else text


__all__ = ["ScriptExporter", "ScriptOptions"]
