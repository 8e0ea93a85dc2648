"""Write the file of a DAG as a person would write it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zenbook.core.digest import digest_of_text
from zenbook.core.graph import Graph, Node, transitive_reduction
from zenbook.core.plan import Plan
from zenbook.core.tracing.plan_parameters import as_plain
from zenbook.errors import did_you_mean
from zenbook.exporters.base import ExportError
from zenbook.exporters.source_writer import (
    WIDTH,
    Block,
    dict_block,
    escape,
    format_multiline,
    format_part,
    literal,
    quote,
    text_literal,
)
from zenbook.integrations.airflow.task import task_ids

BACKSTOP = 60  # seconds beyond a step's own time limit, which its worker enforces
VERSION_TAG = "zenbook-"
_NOTE = "Written by zenbook from a notebook: export it again rather than edit this file."
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
# Airflow 3 has `Param` in `airflow.sdk` too, but ruff's rules for Airflow know this place only.
_IMPORTS = """\
try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG{param_3}
except ImportError:  # Airflow 2
    from airflow import DAG{param_2}
    from airflow.operators.bash import BashOperator
"""
_SETTINGS = """\
# The interpreter that runs the steps. What requirements.txt lists is installed there,
# and not where Airflow is.
PYTHON = os.environ.get("ZENBOOK_PYTHON", {python})

# All tasks start the same command; what differs comes to it by its environment.
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
    """Write the file of a DAG.

    Args:
        plan: The plan.
        options: The options of the DAG, an `AirflowOptions`.
        dag_id: The DAG's id.

    Returns:
        The source; a tag of the DAG, ``zenbook-…``, is the digest of the rest of the file.
    """
    text = _source(plan, options, dag_id, "")
    return _source(plan, options, dag_id, version_of(text))


def version_of(text: str) -> str:
    """The tag that names the version of a DAG's file.

    Args:
        text: The file without the tag.

    Returns:
        The tag.
    """
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
        _SETTINGS.format(python=quote(options.python)),
        _dag(plan, options, dag_id, version, params, ids),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _imports(plan: Plan) -> str:
    needed = "datetime, timezone"
    if any(node.options.retries.count or node.options.timeout is not None for node in plan.graph):
        needed = "datetime, timedelta, timezone"
    return f"import os\nfrom datetime import {needed}\nfrom pathlib import Path"


def _docstring(plan: Plan) -> str:
    body = plan.doc.strip() or f"The pipeline {plan.pipeline!r}."
    text = "\n".join(line.rstrip() for line in f"{body}\n\n{_NOTE}\n".split("\n"))
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    safe = "".join(character if character == "\n" else escape(character) for character in safe)
    return f'"""{safe}"""' if not safe.startswith('"') else f'"""\\{safe}"""'


def _dag(
    plan: Plan, options: Any, dag_id: str, version: str, params: Mapping[str, Block], ids: Mapping[str, str]
) -> str:
    tags = [*dict.fromkeys(["zenbook", *options.tags]), *([version] if version else [])]
    head = Block(
        "with DAG(",
        (
            f"dag_id={quote(dag_id)}",
            "doc_md=__doc__",
            _argument("schedule", literal(options.schedule)),
            f"start_date={_date(options.start_date)}",
            "catchup=False",
            *([_argument("params", dict_block(params))] if params else []),
            _argument("default_args", literal({"owner": options.owner, "retries": options.retries})),
            _argument("tags", literal(tags)),
        ),
        "):",
    )
    others = _pythons(plan, options.step_pythons)
    tasks = [_task(node, ids[node.name], others.get(node.name)) for node in plan.graph]
    edges = [f"    {line}" for line in _edges(plan.graph, ids)]
    return "\n".join([format_multiline(head), *tasks, *([""] if edges else []), *edges])


def _task(node: Node, name: str, python: str | None) -> str:
    arguments: list[str | Block] = [f"task_id={quote(name)}"]
    if node.name != name:
        arguments.append(f"task_display_name={quote(node.name)}")
    own = f', "ZENBOOK_PYTHON": {quote(python)}' if python is not None else ""
    env = f"{{**STEP{own}}}" if own else "STEP"
    arguments += ["bash_command=RUN_STEP", f"env={env}", "append_env=True"]
    retries = node.options.retries
    if retries.count:
        arguments += [f"retries={retries.count}", f"retry_delay={_delta(retries.delay)}"]
    if node.options.timeout is not None:
        arguments.append(f"execution_timeout={_delta(node.options.timeout + BACKSTOP)}")
    if node.doc:
        arguments.append(
            _argument("doc_md", text_literal(node.doc if not node.doc.endswith(".md") else node.doc + " "))
        )
    task = format_multiline(Block(f"{name} = BashOperator(", tuple(arguments), ")"), 4)
    note = f"    # Its worker ends this step after {_duration(node.options.timeout)}.\n" if node.options.timeout else ""
    return f"{note}    {task}"


def _pythons(plan: Plan, pairs: Iterable[str]) -> dict[str, str]:
    """The interpreters of the steps that have their own, by step."""
    interpreters = {}
    names = [node.name for node in plan.graph]
    for pair in pairs:
        step, _, path = pair.rpartition("=")
        if step not in names:
            raise ExportError(
                f"The pipeline {plan.pipeline!r} has no step {step!r}.", did_you_mean(step, names, noun="step")
            )
        interpreters[step] = path
    return interpreters


def _argument(name: str, value: str | Block) -> str | Block:
    return value.after(f"{name}=") if isinstance(value, Block) else f"{name}={value}"


def _edges(graph: Graph, ids: Mapping[str, str]) -> Iterator[str]:
    """The edges that others do not imply, with chains joined: ``load >> split >> fit``, ``[a, b] >> c``."""
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
        line = ids[sources[0]]
        if len(sources) > 1:
            several = Block("[", tuple(ids[source] for source in sources), "]")
            line = format_part(several, 4, ending=f" >> {ids[node.name]}").removesuffix(f" >> {ids[node.name]}")
        current = node.name
        while True:
            line += f" >> {ids[current]}"
            done.add(current)
            following = [name for name in below[current] if above[name] == [current]]
            if len(below[current]) != 1 or not following:
                break
            if len(line) + len(ids[following[0]]) + 8 > WIDTH:
                break
            current = following[0]
        yield line


def _reduced(graph: Graph) -> dict[str, list[str]]:
    """The upstream nodes of each node, without those that another of them implies."""
    names = [node.name for node in graph]
    upstream: dict[str, list[str]] = {name: [] for name in names}
    edges = ((source, node.name) for node in graph for source in node.upstream if source in upstream)
    for source, target in transitive_reduction(names, edges):
        upstream[target].append(source)
    return upstream


def _params(plan: Plan) -> dict[str, Block]:
    """The parameters that a trigger may set, as source."""
    params = {}
    for name in plan.params:
        if name not in plan.bindings:
            continue
        value = as_plain(plan.params[name])
        kind = _TYPES.get(type(value))
        params[name] = Block("Param(", (literal(value), *([f"type={quote(kind)}"] if kind is not None else [])), ")")
    return params


def _date(day: datetime.date) -> str:
    return f"datetime({day.year}, {day.month}, {day.day}, tzinfo=timezone.utc)"


def _delta(seconds: float) -> str:
    whole = int(seconds)
    if whole != seconds or not whole:
        return f"timedelta(seconds={seconds:g})"
    if not whole % 3600:
        return f"timedelta(hours={whole // 3600})"
    return f"timedelta(minutes={whole // 60})" if not whole % 60 else f"timedelta(seconds={whole})"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 120 and not seconds % 60 else f"{seconds:g} s"


__all__ = ["BACKSTOP", "VERSION_TAG", "dag_source", "version_of"]
