"""The package's source as data: modules, imports, functions and messages, for the tests that hold its rules."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "zenbook"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method of module level or of a class.

    Attributes:
        path: The file, relative to the project.
        node: The definition.
        owner: The name of the class, or "".
    """

    path: Path
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: str

    @property
    def place(self) -> str:
        owner = f"{self.owner}." if self.owner else ""
        return f"{self.path}:{self.node.lineno} {owner}{self.node.name}"

    @property
    def lines(self) -> int:
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def decorators(self) -> list[str]:
        return [ast.unparse(decorator) for decorator in self.node.decorator_list]

    @property
    def parameters(self) -> list[str]:
        """The names of the public parameters, without self and cls."""
        spec = self.node.args
        names = [argument.arg for argument in (*spec.posonlyargs, *spec.args)]
        if self.owner and names and "staticmethod" not in self.decorators:
            names = names[1:]
        names += [argument.arg for argument in (*spec.kwonlyargs, spec.vararg, spec.kwarg) if argument is not None]
        return [name for name in names if not name.startswith("_")]


@dataclass(frozen=True, slots=True)
class Message:
    """A text in the code that is no docstring: an f-string's expressions are ``{…}``."""

    path: Path
    line: int
    text: str


@functools.cache
def modules() -> dict[str, Path]:
    """The file of each module, by its full name."""
    named: dict[str, Path] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(name: str) -> set[str]:
    """The modules of the package that a module imports: at its top, in functions and for type checking."""
    known = modules()
    imported: set[str] = set()
    for node in ast.walk(tree_of(known[name])):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names} & known.keys()
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported |= {submodule if submodule in known else node.module} & known.keys()
    return imported - {name}


def functions() -> Iterator[Function]:
    """All functions of module level, and the methods of all classes."""
    for path in modules().values():
        yield from _functions_in(tree_of(path).body, path.relative_to(ROOT), "")


def _functions_in(body: list[ast.stmt], path: Path, owner: str) -> Iterator[Function]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield Function(path, node, owner)
        elif isinstance(node, ast.ClassDef):
            yield from _functions_in(node.body, path, node.name)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _functions_in(node.body, path, owner)


def docstrings() -> Iterator[Message]:
    """The docstrings of modules, classes and functions."""
    for path in modules().values():
        for node in _docstring_nodes(tree_of(path)):
            yield Message(path.relative_to(ROOT), node.lineno, str(node.value))


def messages() -> Iterator[Message]:
    """The texts of the code that have a space in them: errors, hints, help, notes, and what the panels say."""
    for path in modules().values():
        tree = tree_of(path)
        skipped = {id(node) for node in _docstring_nodes(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                skipped |= {id(part) for part in node.values}
        for node in ast.walk(tree):
            text = "" if id(node) in skipped else _text(node)
            if " " in text.strip():
                yield Message(path.relative_to(ROOT), node.lineno, text)
    for path in sorted(PACKAGE.rglob("*.js")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.lstrip().startswith(("//", "*", "/*")):
                for quoted in re.findall(r'"([^"\n]* [^"\n]*)"|`([^`\n]* [^`\n]*)`', line):
                    yield Message(path.relative_to(ROOT), number, "".join(quoted))


def _docstring_nodes(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string that is a statement of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{…}" for part in node.values)
    return ""
