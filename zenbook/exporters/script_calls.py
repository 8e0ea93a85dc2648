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
from zenbook.exporters.source_writer import Block, dict_block, format_multiline, format_part, quote

_ARGPARSE = {int: "int", float: "float", str: "str"}
_FROM_TEXT = {  # the functions that make a value from a word of the command line
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
    """Write the function ``main`` and the code that calls it.

    Args:
        plan: The plan.
        texts: The statements of the script so far, with the steps' functions.

    Returns:
        The source, and the import statements that it needs.
    """
    tree = parse("\n".join(texts))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    params = {name: value for name, value in plan.params.items() if name in plan.bindings and name.isidentifier()}
    globals_ = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | functions.keys() | params.keys()
    outputs = [f"{node.name} {output}" for node in plan.graph for output in node.outputs]
    names = identifiers(outputs, globals_ | {"asyncio", "deepcopy", "main"})
    needed = {"from copy import deepcopy"}
    writer = _Writer(plan, names, functions, params, needed)
    lines = [writer.call(node) for node in plan.graph]
    signature = Block(
        "def main(", tuple(f"{name}={value_source(value, needed)}" for name, value in params.items()), "):"
    )
    results = {
        node.name: dict_block({output: names[f"{node.name} {output}"] for output in node.outputs})
        for node in plan.graph
    }
    text = "\n".join(
        [
            format_part(signature),
            '    """Run all steps; gives their outputs by step and name."""',
            *(f"    {line}" for line in lines),
            f"    return {format_multiline(dict_block(results), 4)}",
            "",
            "",
            'if __name__ == "__main__":',
            *(f"    {line}" for line in command_line(params, needed)),
            "    for step, outputs in main(**vars(parser.parse_args())).items():",
            "        for name, value in outputs.items():",
            '            print(f"{step}.{name}: {value!r:.200}")',
        ]
    )
    return text, sorted(line for line in needed if line)


def command_line(params: Mapping[str, Json], needed: set[str], name: str = "parser") -> list[str]:
    """Write the parser of the command line, with an option for each parameter that can be written as a word.

    Args:
        params: The parameters' encoded values, which are the defaults.
        needed: The import statements that the script needs; more are added.
        name: The name of the parser in the script.

    Returns:
        The lines of source.
    """
    needed.add("import argparse")
    lines = [f"{name} = argparse.ArgumentParser(description=__doc__)"]
    for param, value in params.items():
        default = value_source(value, needed)
        flag = quote(f"--{param.replace('_', '-')}")
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
        lines.append(format_part(Block(f"{name}.add_argument(", (flag, kind, f"default={default}"), ")"), 4))
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
        """The call of a step: ``train, test = split(deepcopy(frame), test_size=0.25)``."""
        function = self.plan.capsule_of(node.name).entry.partition(":")[2]
        call = Block(f"{function}(", tuple(self._arguments(node, self.functions[function])), ")")
        if isinstance(self.functions[function], ast.AsyncFunctionDef):
            self.needed.add("import asyncio")
            call = Block("asyncio.run(", (call,), ")")
        targets = ", ".join(self.names[f"{node.name} {output}"] for output in node.outputs)
        return format_part(call.after(f"{targets} = ") if targets else call, 4)

    def _arguments(self, node: Node, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
        declared = function.args
        without_names = [*declared.posonlyargs, *(declared.args if declared.vararg is not None else ())]
        by_position = {argument.arg for argument in without_names}
        positional: list[str] = []
        named: list[str] = []
        for name, template in node.arguments.items():
            text = self._source(node, name, template, ())
            if declared.vararg is not None and name == declared.vararg.arg:
                positional.append(f"*{text}")
            elif declared.kwarg is not None and name == declared.kwarg.arg:
                named.append(f"**{text}")
            elif name in by_position:
                positional.append(text)
            else:
                named.append(f"{name}={text}")
        return positional + named

    def _source(self, node: Node, argument: str, template: Any, path: tuple[str | int, ...]) -> str:
        param = self.params.get((node.name, argument, path))
        if param is not None:
            return param
        if isinstance(template, list):
            return f"[{', '.join(self._source(node, argument, entry, (*path, n)) for n, entry in enumerate(template))}]"
        if isinstance(template, dict) and len(template) == 1:
            tag, body = next(iter(template.items()))
            if tag == "$input":
                ref = node.inputs[body].sources[0]
                return f"deepcopy({self.names[f'{ref.step} {ref.output}']})"
            if tag == "$tuple":
                parts = [self._source(node, argument, entry, (*path, tag, n)) for n, entry in enumerate(body)]
                return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
            if tag == "$dict":
                pairs = [
                    (value_source(key, self.needed), self._source(node, argument, entry, (*path, tag, n, 1)))
                    for n, (key, entry) in enumerate(body)
                ]
                return f"{{{', '.join(f'{key}: {source}' for key, source in pairs)}}}"
        if isinstance(template, dict) and not next(iter(template), "").startswith("$"):
            entries = (
                f"{quote(key)}: {self._source(node, argument, entry, (*path, key))}" for key, entry in template.items()
            )
            return f"{{{', '.join(entries)}}}"
        return value_source(template, self.needed)


def value_source(value: Any, needed: set[str]) -> str:
    """Write an encoded value as Python source.

    Args:
        value: The value as it is encoded in a plan.
        needed: The import statements that the script needs; more are added.

    Returns:
        The source.
    """
    if isinstance(value, list):
        return f"[{', '.join(value_source(entry, needed) for entry in value)}]"
    if not isinstance(value, dict):
        return quote(value) if isinstance(value, str) else repr(value)
    tag: str = ""
    body: Any = None
    if len(value) == 1:
        tag, body = next(iter(value.items()))
    if tag in _BY_TEXT:
        line, form = _BY_TEXT[tag]
        needed.add(line)
        return form.format(quote(body))
    if tag == "$timedelta":
        needed.add("import datetime")
        return f"datetime.timedelta({body.replace(',', ', ')})"
    if tag in ("$tuple", "$set", "$frozenset"):
        parts = ", ".join(value_source(entry, needed) for entry in body)
        return f"({parts}{',' * (len(body) == 1)})" if tag == "$tuple" else f"{tag[1:]}([{parts}])"
    if tag == "$dict":
        pairs = (f"{value_source(key, needed)}: {value_source(entry, needed)}" for key, entry in body)
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
    return f"{{{', '.join(f'{quote(key)}: {value_source(entry, needed)}' for key, entry in value.items())}}}"
