"""``zen export airflow``: a plan as a folder for Airflow 2.9 and later, and for Airflow 3.

The DAG's file imports only Airflow. Each task is a `BashOperator`, and all have the same command: it starts zenbook's
worker with the interpreter for which zenbook and the user's packages are installed.
"""

from __future__ import annotations

import datetime
import json
import re
import shlex
from importlib.resources import files as resources
from string import Template
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from zenbook.core.identifiers import dag_id_of
from zenbook.core.plan import Plan
from zenbook.core.tracing.plan_parameters import as_plain
from zenbook.exporters.base import Exporter, ExportError
from zenbook.exporters.readable_source import readable_source
from zenbook.integrations.airflow.dag_source import dag_source

_TEMPLATE_MARKS = ("{{", "{%", "{#")
IGNORE = """\
# Airflow parses only the DAG here. The first pattern is a glob, as newer ones read it, the second a regexp.
/steps.py
^steps\\.py$
"""


def _safe_for_templates(value: str) -> str:
    """Refuse a text that Airflow would render as a template, or load as one since it names a script."""
    if any(mark in value for mark in _TEMPLATE_MARKS) or value.endswith((".sh", ".bash")):
        raise ValueError("Airflow would read it as a template; use a plain path")
    return value


def _pairs(values: tuple[str, ...]) -> tuple[str, ...]:
    for pair in values:
        if not all(pair.rpartition("=")):
            raise ValueError("write it as STEP=PATH")
        _safe_for_templates(pair)
    return values


def _valid_schedule(value: str | None) -> str | None:
    if value is None or value.lower() in ("", "none", "null"):
        return None
    if not re.fullmatch(r"@(once|continuous|hourly|daily|weekly|monthly|quarterly|yearly)", value) and not re.fullmatch(
        r"\S+( +\S+){4,5}", value
    ):
        raise ValueError('use a preset like "@daily" or a cron expression like "0 6 * * *"')
    return value


def _valid_dag_id(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", value):
        raise ValueError("a DAG's id has 1 to 200 letters, digits, dashes, dots and underscores")
    return value


class AirflowOptions(BaseModel):
    """The options of a DAG."""

    model_config = ConfigDict(extra="forbid")

    dag_id: Annotated[str, AfterValidator(_valid_dag_id)] = Field(
        "", description="The DAG's id; by default the pipeline's name."
    )
    schedule: Annotated[str | None, AfterValidator(_valid_schedule)] = Field(
        None,
        description='"@daily" or a cron expression; by default the DAG runs only when it is triggered.',
    )
    start_date: datetime.date = Field(datetime.date(2024, 1, 1), description="The first day of the schedule, in UTC.")
    retries: int = Field(0, ge=0, description="Retries of the steps that do not set their own.")
    owner: str = Field("zenbook", description="The DAG's owner.")
    tags: tuple[str, ...] = Field((), description="Tags of the DAG, in addition to zenbook's own.")
    python: Annotated[str, AfterValidator(_safe_for_templates)] = Field(
        "python3",
        description="The interpreter of the steps; zenbook and your packages must be installed for it.",
    )
    step_pythons: Annotated[tuple[str, ...], AfterValidator(_pairs)] = Field(
        (), description="Another interpreter for one step, as STEP=PATH; may be repeated."
    )


class AirflowExporter(Exporter):
    """Exports a DAG, the plan, the steps' code, the requirements and a README."""

    name = "airflow"
    summary = "a DAG for Airflow 2.9 and later, and Airflow 3"
    options = AirflowOptions

    def files(self, plan: Plan, options: AirflowOptions) -> dict[str, str]:
        """Write the files of the DAG's folder."""
        if not len(plan.graph):
            raise ExportError(f"The pipeline {plan.pipeline!r} has no steps.", "Run the notebook's cells first.")
        dag_id = options.dag_id or dag_id_of(plan.pipeline)
        module = file_name(dag_id)
        requirements = _requirements(plan)
        return {
            "plan.json": plan.to_json() + "\n",
            "steps.py": readable_source(plan),
            "requirements.txt": requirements,
            ".airflowignore": IGNORE,
            "README.md": _readme(plan, options, dag_id, module),
            f"{module}.py": dag_source(plan, options, dag_id),
        }


def file_name(dag_id: str) -> str:
    """The name of a DAG's file.

    Args:
        dag_id: The DAG's id.

    Returns:
        The name without its ending.
    """
    name = re.sub(r"[.-]", "_", dag_id)
    return f"{name}_dag" if name == "steps" else name


def _requirements(plan: Plan) -> str:
    from importlib.metadata import version

    lines = [
        f"# What the steps of {_line(plan.pipeline)} ran with, on Python {plan.python}.",
        f"zenbook=={version('zenbook')}",
        *plan.requirements,
    ]
    return "\n".join(lines) + "\n"


def _readme(plan: Plan, options: Any, dag_id: str, module: str) -> str:
    text = resources("zenbook.integrations.airflow").joinpath("export_readme.md").read_text(encoding="utf-8")
    if plan.params:
        names = ", ".join(f"`{name}`" for name in plan.bindings) or "none"
        fixed = ", ".join(f"`{name}`" for name in plan.params if name not in plan.bindings)
        params = f"Parameters of the DAG: {names}."
        params += f" Fixed when this was exported, since the wiring depends on them: {fixed}." if fixed else ""
    else:
        params = "The pipeline has no parameters."
    inputs = ""
    if plan.external_inputs:
        inputs = (
            "\nObjects that were passed to the pipeline are in the artifact store of the stack from which this was "
            "exported; the steps have to reach the same store.\n"
        )
    return Template(text).substitute(
        pipeline=_line(plan.pipeline),
        dag_id=dag_id,
        module=module,
        python=options.python,
        params=params,
        conf=_conf(plan),
        given=inputs,
        python_version=plan.python,
    )


def _conf(plan: Plan) -> str:
    """The parameters that a trigger may set, quoted for a shell."""
    params = {name: as_plain(plan.params[name]) for name in plan.bindings}
    return shlex.quote(json.dumps(params, ensure_ascii=False))


def _line(text: str) -> str:
    return " ".join(text.split())
