"""The text of a DAG's file, as a person would write it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from zenbook.core.digest import digest_of_text
from zenbook.core.graph import Graph, Node
from zenbook.core.plan import Plan
from zenbook.runs.bindings import as_plain
from zenbook.runs.scheduled import task_ids

BACKSTOP = 60  # seconds beyond a step's own time limit, which its worker keeps
VERSION_TAG = "zenbook-"
WIDTH = 110
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_IMPORTS = """\
try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG{param_3}
except ImportError:  # Airflow 2
    from airflow import DAG{param_2}
    from airflow.operators.bash import BashOperator
"""
_SETTINGS = """\
# The interpreter that runs the steps: zenbook and the packages of requirements.txt are installed there, not here.
PYTHON = os.environ.get("ZENBOOK_PYTHON", {python})

# Every task starts the same command; what differs comes to it by its environment.
RUN_STEP = 'exec "$ZENBOOK_PYTHON" -m zenbook.runs.worker "$ZENBOOK_PLAN" --airflow'
STEP = {{
    "ZENBOOK_PYTHON": PYTHON,
    "ZENBOOK_PLAN": str(Path(__file__).with_name("plan.json")),
    "ZENBOOK_AIRFLOW_DAG": "{{{{ dag.dag_id }}}}",
    "ZENBOOK_AIRFLOW_RUN": "{{{{ run_id }}}}",
    "ZENBOOK_AIRFLOW_BEGAN": "{{{{ dag_run.start_date }}}}",
    "ZENBOOK_AIRFLOW_TASK": "{{{{ ti.task_id }}}}",
    "ZENBOOK_AIRFLOW_TRY": "{{{{ ti.try_number }}}}",
    "ZENBOOK_AIRFLOW_TRIES": "{{{{ ti.max_tries + 1 }}}}",
    "ZENBOOK_AIRFLOW_LOG": "{{{{ ti.log_url }}}}",
    "ZENBOOK_AIRFLOW_PARAMS": "{{{{ params | tojson }}}}",
}}
"""


def dag_source(plan: Plan, options: Any, dag_id: str) -> str:
    """The DAG's file. Its tag ``zenbook-…`` is the digest of the rest of the file."""
    text = _source(plan, options, dag_id, "")
    return _source(plan, options, dag_id, version_of(text))


def version_of(text: str) -> str:
    """The tag of a DAG's file that has none yet."""
    return VERSION_TAG + digest_of_text(text)[:12]


def _source(plan: Plan, options: Any, dag_id: str, version: str) -> str:
    ids = task_ids(plan.graph)
    params = _params(plan)
    parts = [
        _docstring(plan),
        "from __future__ import annotations",
        _imports(plan),
        _IMPORTS.format(
            param_3="\n    from airflow.sdk.definitions.param import Param" if params else "",
            param_2="\n    from airflow.models.param import Param" if params else "",
        ),
        _SETTINGS.format(python=_literal(options.python)),
        "\n" + _dag(plan, options, dag_id, version, params, ids),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _imports(plan: Plan) -> str:
    needed = "datetime, timezone"
    if any(node.options.retries.count or node.options.timeout is not None for node in plan.graph):
        needed = "datetime, timedelta, timezone"
    return f"import os\nfrom datetime import {needed}\nfrom pathlib import Path"


def _docstring(plan: Plan) -> str:
    body = plan.doc.strip() or f"The pipeline {plan.pipeline!r}."
    told = "Written by zenbook: change the notebook and export it again, or change this file and keep it."
    text = f"{body}\n\n{told}\n"
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    escaped = "".join(one if one == "\n" or one.isprintable() else _escaped(one) for one in escaped)
    return f'"""{escaped}"""' if not escaped.startswith('"') else f'"""\\{escaped}"""'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _dag(plan: Plan, options: Any, dag_id: str, version: str, params: Mapping[str, str], ids: Mapping[str, str]) -> str:
    tags = [*dict.fromkeys(["zenbook", *options.tags]), *([version] if version else [])]
    arguments = [
        f"dag_id={_literal(dag_id)}",
        "doc_md=__doc__",
        f"schedule={_literal(options.schedule)}",
        f"start_date={_date(options.start_date)}",
        "catchup=False",
        *([f"params={_mapping(params)}"] if params else []),
        f'default_args={{"owner": {_literal(options.owner)}, "retries": {options.retries}}}',
        f"tags=[{', '.join(map(_literal, tags))}]",
    ]
    lines = ["with DAG(", *(f"    {one}," for one in arguments), "):"]
    for node in plan.graph:
        lines += [_indented(_task(node, ids[node.name]))]
    edges = [f"    {line}" for line in _edges(plan.graph, ids)]
    return "\n".join([*lines, *([""] if edges else []), *edges])


def _task(node: Node, name: str) -> str:
    arguments = [f"task_id={_literal(name)}"]
    if node.name != name:
        arguments.append(f"task_display_name={_literal(node.name)}")
    arguments += ["bash_command=RUN_STEP", "env=STEP", "append_env=True"]
    retries = node.options.retries
    if retries.count:
        arguments += [f"retries={retries.count}", f"retry_delay={_delta(retries.delay)}"]
    if node.options.timeout is not None:
        arguments.append(
            f"execution_timeout={_delta(node.options.timeout + BACKSTOP)},  "
            f"# its worker ends the step after {_spoken(node.options.timeout)}"
        )
    if node.doc:
        arguments.append(f"doc_md={_literal(node.doc if not node.doc.endswith('.md') else node.doc + ' ')}")
    lines = [one if "  #" in one else f"{one}," for one in arguments]
    return "\n".join([f"{name} = BashOperator(", *(f"    {line}" for line in lines), ")"])


def _edges(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    """The edges that are not implied by others, chains joined: ``load >> split >> fit``, ``[a, b] >> c``."""
    above = _reduced(graph)
    below: dict[str, list[str]] = {node.name: [] for node in graph}
    for name, sources in above.items():
        for source in sources:
            below[source].append(name)
    done: set[str] = set()
    for node in graph:
        sources = above[node.name]
        if not sources or node.name in done:
            continue
        line = ids[sources[0]] if len(sources) == 1 else f"[{', '.join(ids[one] for one in sources)}]"
        current = node.name
        while True:
            line += f" >> {ids[current]}"
            done.add(current)
            following = [one for one in below[current] if above[one] == [current]]
            if len(below[current]) != 1 or not following or len(line) > WIDTH - 40:
                break
            current = following[0]
        yield line


def _reduced(graph: Graph) -> dict[str, list[str]]:
    """Each node's upstream nodes, without those that another of them needs anyway."""
    reach: dict[str, set[str]] = {}
    found: dict[str, list[str]] = {}
    for node in graph:
        direct = [one for one in node.upstream if one in reach]
        implied = set().union(*(reach[one] for one in direct))
        found[node.name] = [one for one in direct if one not in implied]
        reach[node.name] = implied | set(direct)
    return found


def _params(plan: Plan) -> dict[str, str]:
    """The parameters that a trigger may set, as source."""
    found = {}
    for name in plan.params:
        if name not in plan.bindings:
            continue
        value = as_plain(plan.params[name])
        kind = _TYPES.get(type(value))
        typed = f", type={_literal(kind)}" if kind is not None else ""
        found[name] = f"Param({_literal(value)}{typed})"
    return found


def _mapping(entries: Mapping[str, str]) -> str:
    body = ", ".join(f"{_literal(key)}: {value}" for key, value in entries.items())
    if len(body) < WIDTH - 20:
        return f"{{{body}}}"
    return "{\n" + "".join(f"        {_literal(key)}: {value},\n" for key, value in entries.items()) + "    }"


def _literal(value: Any) -> str:
    """A plain value as Python source, with double quotes where it is a text; ASCII, so that no reader is misled."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(one)}' for key, one in value.items())}}}"
    return repr(value)


def _text(value: str) -> str:
    made = json.dumps(value, ensure_ascii=False)
    return made if value.isprintable() and json.loads(made) == value else ascii(value)


def _date(day: datetime.date) -> str:
    return f"datetime({day.year}, {day.month}, {day.day}, tzinfo=timezone.utc)"


def _delta(seconds: float) -> str:
    whole = int(seconds)
    if whole != seconds or not whole:
        return f"timedelta(seconds={seconds:g})"
    if not whole % 3600:
        return f"timedelta(hours={whole // 3600})"
    return f"timedelta(minutes={whole // 60})" if not whole % 60 else f"timedelta(seconds={whole})"


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 120 and not seconds % 60 else f"{seconds:g} s"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


__all__ = ["BACKSTOP", "VERSION_TAG", "dag_source", "version_of"]
