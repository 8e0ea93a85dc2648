"""The rules of CONTRIBUTING.md and docs/wording.md that can be checked on the source itself."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.source_tree import PACKAGE, ROOT, Function, docstrings, functions, imports_of, messages, modules, tree_of

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 50
MAX_FILES_IN_A_FOLDER = 20

# What readers stumbled over, and what to write instead: docs/wording.md.
DIALECT = re.compile(
    r"\bgo(?:es)? on\b|\bgoing on\b|\b(?:is|was) no \w|\bcan't be\b|\bMend\b|\btold\b|\bof the like\b"
    r"|\banew\b|\byardstick\b|\bmachinery\b"
)
# One idea each, seen from several rooms: the parts that every integration has.
SAME_NAME = {"__init__.py", "client.py", "deploy.py", "exporter.py", "follow.py", "orchestrator.py", "task.py"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Lazy imports and those for type checking count."""
    graph = {name: imports_of(name) for name in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("These modules import each other in a circle: " + " -> ".join(reversed(error.args[1])))


def test_files_and_functions_are_short() -> None:
    long_files = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in (*modules().values(), *PACKAGE.rglob("*.js"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    ]
    long_functions = [f"{one.place}: {one.lines} lines" for one in functions() if one.lines > MAX_FUNCTION_LINES]
    assert not long_files + long_functions


def test_no_folder_is_a_heap_of_files() -> None:
    folders: dict[Path, int] = defaultdict(int)
    for path in modules().values():
        folders[path.parent.relative_to(ROOT)] += path.name != "__init__.py"
    assert not {str(folder): count for folder, count in folders.items() if count > MAX_FILES_IN_A_FOLDER}


def test_a_file_name_stands_for_one_idea() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules().values():
        if path.name not in SAME_NAME and path.parent != PACKAGE / "runs":  # the worker's name for exported pipelines
            places[path.name].append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


def test_messages_and_docstrings_are_in_plain_english() -> None:
    found = [
        f"{text.path}:{text.line} {match.group()!r}: …{text.text[max(0, match.start() - 30) : match.end() + 30]}…"
        for text in (*messages(), *docstrings())
        if (match := DIALECT.search(text.text))
    ]
    assert not found, "\n".join(found)


def test_the_docstring_of_a_public_function_names_its_parameters() -> None:
    """Ruff's D417 and DOC rules look only at docstrings that have sections; this one asks for them."""
    missing = [
        f"{function.place}: {', '.join(names)}"
        for function in _documented_functions()
        if (names := _undocumented(function))
    ]
    assert not missing, "\n".join(missing)


def _documented_functions() -> Iterator[Function]:
    """Public functions, without those that override a documented one, commands (documented by their options), tests."""
    methods: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, list[str]] = {}
    for path in modules().values():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [re.split(r"[\[.]", ast.unparse(base))[-1 if "." in ast.unparse(base) else 0]
                                    for base in node.bases]  # fmt: skip
                methods[node.name] |= {
                    part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
                }

    def inherits(owner: str, name: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(
            name in methods[base] or inherits(base, name, seen | {owner})
            for base in bases.get(owner, ())
            if base in bases and base not in seen
        )

    other = re.compile(
        r"\b(command|group|argument|option|overload|override|setter|fixture|field_validator|model_validator)\b"
    )
    for function in functions():
        private = function.node.name.startswith(("_", "test_")) or function.owner.startswith("_")
        if (
            not private
            and not any(map(other.search, function.decorators))
            and not inherits(function.owner, function.node.name)
        ):
            yield function


def _undocumented(function: Function) -> list[str]:
    doc = ast.get_docstring(function.node) or ""
    if not doc:
        return ["(no docstring)"]
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc, re.MULTILINE | re.DOTALL)
    entries = section.group(1) if section else ""
    return [
        name
        for name in function.parameters
        if not re.search(rf"^\s+\*{{0,2}}{name}(?: \(.*?\))?:", entries, re.MULTILINE)
    ]
