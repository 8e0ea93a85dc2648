"""The function ``main`` of a script: the pipeline's steps as calls, and values as Python source."""

from __future__ import annotations

import ast
import base64
from collections.abc import Mapping, Sequence
from typing import Any

from zenbook.core.graph import Json, Node
from zenbook.core.identifiers import identifiers
from zenbook.core.parsing import parse
from zenbook.core.plan import Plan
from zenbook.exporters.source_writer import Block, laid_out, mapping, one_a_line, quoted

_ARGPARSE = {int: "int", float: "float", str: "str"}
_FROM_TEXT = {  # what makes a value of a word of the command line
    "$path": "pathlib.Path",
    "$date": "datetime.date.fromisoformat",
    "$datetime": "datetime.datetime.fromisoformat",
    "$time": "datetime.time.fromisoformat",
    "$Decimal": "decimal.Decimal",
    "$Fraction": "fractions.Fraction",
    "$UUID": "uuid.UUID",
}
_BY_TEXT = {
    "$datetime": ("import datetime", "datetime.datetime.fromisoformat({})"),
    "$date": ("import datetime", "datetime.date.fromisoformat({})"),
    "$time": ("import datetime", "datetime.time.fromisoformat({})"),
    "$Decimal": ("import decimal", "decimal.Decimal({})"),
    "$Fraction": ("import fractions", "fractions.Fraction({})"),
    "$UUID": ("import uuid", "uuid.UUID({})"),
    "$path": ("import pathlib", "pathlib.Path({})"),
    "$float": ("", "float({})"),
}


def main_function(plan: Plan, texts: Sequence[str]) -> tuple[str, list[str]]:
    """The source of ``main`` and of what starts it, and the imports that they need."""
    tree = parse("\n".join(texts))
    kinds = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    params = {name: value for name, value in plan.params.items() if name in plan.bindings and name.isidentifier()}
    globals_ = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)} | kinds.keys() | params.keys()
    wanted = [f"{node.name} {output}" for node in plan.graph for output in node.outputs]
    names = identifiers(wanted, globals_ | {"asyncio", "deepcopy", "main"})
    needed = {"from copy import deepcopy"}
    writer = _Writer(plan, names, kinds, params, needed)
    lines = [writer.call(node) for node in plan.graph]
    signature = Block(
        "def main(", tuple(f"{name}={value_source(value, needed)}" for name, value in params.items()), "):"
    )
    made = {node.name: mapping({one: names[f"{node.name} {one}"] for one in node.outputs}) for node in plan.graph}
    text = "\n".join(
        [
            laid_out(signature),
            '    """Run all steps; gives their outputs by step and name."""',
            *(f"    {line}" for line in lines),
            f"    return {one_a_line(mapping(made), 4)}",
            "",
            "",
            'if __name__ == "__main__":',
            *(f"    {line}" for line in command_line(params, needed)),
            "    for step, outputs in main(**vars(parser.parse_args())).items():",
            "        for name, value in outputs.items():",
            '            print(f"{step}.{name}: {value!r:.200}")',
        ]
    )
    return text, sorted(one for one in needed if one)


def command_line(params: Mapping[str, Json], needed: set[str], name: str = "parser") -> list[str]:
    """The lines that make a parser with an option for each parameter that can be written as a word."""
    needed.add("import argparse")
    lines = [f"{name} = argparse.ArgumentParser(description=__doc__)"]
    for param, value in params.items():
        default = value_source(value, needed)
        flag = quoted(f"--{param.replace('_', '-')}")
        if type(value) is bool:
            kind = "action=argparse.BooleanOptionalAction"
        elif type(value) in _ARGPARSE:
            kind = f"type={_ARGPARSE[type(value)]}"
        elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _FROM_TEXT:
            kind = f"type={_FROM_TEXT[next(iter(value))]}"
        elif _is_literal(default):
            needed.add("import ast")
            kind = "type=ast.literal_eval"
        else:
            continue
        lines.append(laid_out(Block(f"{name}.add_argument(", (flag, kind, f"default={default}"), ")"), 4))
    return lines


def _is_literal(source: str) -> bool:
    try:
        ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return False
    return True


class _Writer:
    """Writes steps as calls."""

    def __init__(
        self,
        plan: Plan,
        names: Mapping[str, str],
        functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef],
        params: Mapping[str, Json],
        needed: set[str],
    ) -> None:
        self.plan, self.names, self.functions, self.needed = plan, names, functions, needed
        self.params = {
            (place.node, place.argument, place.within): name for name in params for place in plan.bindings[name]
        }

    def call(self, node: Node) -> str:
        """One step: ``train, test = split(deepcopy(frame), test_size=0.25)``."""
        function = self.plan.capsule_of(node.name).entry.partition(":")[2]
        call = Block(f"{function}(", tuple(self._arguments(node, self.functions[function])), ")")
        if isinstance(self.functions[function], ast.AsyncFunctionDef):
            self.needed.add("import asyncio")
            call = Block("asyncio.run(", (call,), ")")
        targets = ", ".join(self.names[f"{node.name} {one}"] for one in node.outputs)
        return laid_out(call.after(f"{targets} = ") if targets else call, 4)

    def _arguments(self, node: Node, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
        its = function.args
        only = [one.arg for one in its.posonlyargs]
        spread = [one.arg for one in (*its.posonlyargs, *its.args)] if its.vararg is not None else only
        positional: list[str] = []
        named: list[str] = []
        for name, template in node.arguments.items():
            text = self._source(node, name, template, ())
            if its.vararg is not None and name == its.vararg.arg:
                positional.append(f"*{text}")
            elif its.kwarg is not None and name == its.kwarg.arg:
                named.append(f"**{text}")
            elif name in spread:
                positional.append(text)
            else:
                named.append(f"{name}={text}")
        return positional + named

    def _source(self, node: Node, argument: str, template: Any, path: tuple[str | int, ...]) -> str:
        param = self.params.get((node.name, argument, path))
        if param is not None:
            return param
        if isinstance(template, list):
            return f"[{', '.join(self._source(node, argument, one, (*path, n)) for n, one in enumerate(template))}]"
        if isinstance(template, dict) and len(template) == 1:
            tag, body = next(iter(template.items()))
            if tag == "$input":
                ref = node.inputs[body].sources[0]
                return f"deepcopy({self.names[f'{ref.step} {ref.output}']})"
            if tag == "$tuple":
                parts = [self._source(node, argument, one, (*path, tag, n)) for n, one in enumerate(body)]
                return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
            if tag == "$dict":
                pairs = [
                    (value_source(key, self.needed), self._source(node, argument, one, (*path, tag, n, 1)))
                    for n, (key, one) in enumerate(body)
                ]
                return f"{{{', '.join(f'{key}: {one}' for key, one in pairs)}}}"
        if isinstance(template, dict) and not next(iter(template), "").startswith("$"):
            body_of = (
                f"{quoted(key)}: {self._source(node, argument, one, (*path, key))}" for key, one in template.items()
            )
            return f"{{{', '.join(body_of)}}}"
        return value_source(template, self.needed)


def value_source(value: Any, needed: set[str]) -> str:
    """An encoded value as Python source; the imports that it needs are added to ``needed``."""
    if isinstance(value, list):
        return f"[{', '.join(value_source(one, needed) for one in value)}]"
    if not isinstance(value, dict):
        return quoted(value) if isinstance(value, str) else repr(value)
    tag: str = ""
    body: Any = None
    if len(value) == 1:
        tag, body = next(iter(value.items()))
    if tag in _BY_TEXT:
        line, form = _BY_TEXT[tag]
        needed.add(line)
        return form.format(quoted(body))
    if tag == "$timedelta":
        needed.add("import datetime")
        return f"datetime.timedelta({body.replace(',', ', ')})"
    if tag in ("$tuple", "$set", "$frozenset"):
        parts = ", ".join(value_source(one, needed) for one in body)
        return f"({parts}{',' * (len(body) == 1)})" if tag == "$tuple" else f"{tag[1:]}([{parts}])"
    if tag == "$dict":
        pairs = (f"{value_source(key, needed)}: {value_source(one, needed)}" for key, one in body)
        return f"{{{', '.join(pairs)}}}"
    if tag == "$bytes":
        return repr(base64.b64decode(body))
    if tag == "$complex":
        return f"complex({value_source(body[0], needed)}, {value_source(body[1], needed)})"
    if tag == "$numpy":
        needed.add("import numpy")
        return f"numpy.{body[0]}({value_source(body[1], needed)})"
    if tag in ("$enum", "$ref"):
        needed.add(f"import {body[0]}")
        return ".".join(body[: 3 if tag == "$enum" else 2])
    return f"{{{', '.join(f'{quoted(key)}: {value_source(one, needed)}' for key, one in value.items())}}}"
