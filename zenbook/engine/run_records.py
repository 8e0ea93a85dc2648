"""The rows that a plan gives a run before its first step: parameters, and the objects that were passed to it."""

from __future__ import annotations

import json

from zenbook.core.digest import digest_of_path, digest_of_text
from zenbook.core.plain_values import paths_in
from zenbook.core.plan import Plan
from zenbook.stack.records import ArtifactRecord, Batch, InputRecord, ParamRecord, RunRecord


def external_input_records(plan: Plan, run: RunRecord) -> Batch:
    """The objects that were passed to the pipeline, and which steps are to read them.

    Recorded before a step runs: while the run exists they are in use, since a resumed run reads them from the store.
    """
    artifacts = [
        ArtifactRecord(one.digest, one.format, one.address, one.size, run.created_at)
        for one in plan.external_inputs.values()
    ]
    inputs = []
    for node in plan.graph:
        for name, source in node.inputs.items():
            if source.external_input:
                stored = plan.external_inputs[source.external_input]
                inputs.append(
                    InputRecord(
                        run.id,
                        node.name,
                        name,
                        "",
                        source.external_input,
                        stored.digest,
                        stored.format,
                        stored.member,
                    )
                )
    return Batch(artifacts=artifacts, inputs=inputs)


def param_records(plan: Plan, run_id: str) -> list[ParamRecord]:
    """The parameters of a run and of its steps, with the digests of the files that they name."""
    found = [ParamRecord(run_id, "", name, _text(value), _content(value)) for name, value in plan.params.items()]
    for node in plan.graph:
        found += [ParamRecord(run_id, node.name, name, _text(one), _content(one)) for name, one in node.params.items()]
    return found


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _content(value: object) -> str:
    digests = [digest_of_path(path) for path in paths_in(value)]
    return digest_of_text(" ".join(digests)) if len(digests) > 1 else "".join(digests)
