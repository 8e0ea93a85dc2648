"""The rows that a run has before its first step: the run, its steps, parameters, code and external inputs."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Self

from zenbook.core.digest import digest_of_path, digest_of_text
from zenbook.core.plain_values import paths_in
from zenbook.core.plan import Plan
from zenbook.core.states import RunState, StepState
from zenbook.engine.environment import process_identity, user_name
from zenbook.engine.run_ids import new_run_id
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    ParamRecord,
    RunRecord,
    StepRecord,
)
from zenbook.stack.stack import OpenStack


@dataclass(frozen=True, slots=True)
class RunRows:
    """All rows of a run whose steps have not started yet."""

    run: RunRecord
    steps: list[StepRecord]
    params: list[ParamRecord]
    code: list[CodeRecord]
    environment: EnvironmentRecord
    external_inputs: Batch

    @classmethod
    def of(
        cls, plan: Plan, run: RunRecord, environment: EnvironmentRecord, *, recorded_steps: Container[str] = ()
    ) -> Self:
        """Make the rows of a run.

        Args:
            plan: What is run.
            run: The run's own row; its plan and environment are filled in.
            environment: Where the run runs.
            recorded_steps: The steps of a run that has grown or was exported again, which keep their rows.

        Returns:
            The rows, which nothing has written yet.

        Raises:
            DefinitionError: A path parameter names a file that cannot be read.
        """
        run = replace(run, plan=plan.to_json(), environment=environment.digest)
        capsules = {digest: capsule.to_json() for digest, capsule in plan.capsules.items()}
        return cls(
            run,
            steps=[row for name, row in pending_step_records(plan, run.id).items() if name not in recorded_steps],
            params=_param_records(plan, run.id),
            code=[CodeRecord(digest, json.dumps(body, ensure_ascii=False)) for digest, body in capsules.items()],
            environment=environment,
            external_inputs=_external_input_records(plan, run),
        )

    def create_run(self, metadata: MetadataStore) -> None:
        """Write all rows but the external inputs, in one transaction.

        Args:
            metadata: Where to write.
        """
        metadata.create_run(
            self.run, steps=self.steps, params=self.params, code=self.code, environment=self.environment
        )

    def write_external_inputs(self, metadata: MetadataStore) -> None:
        """Write which objects were passed to the pipeline, and which steps are to read them.

        Recorded before a step runs: while the run exists they are in use, since a resumed run reads them from the
        store.

        Args:
            metadata: Where to write.
        """
        if self.external_inputs:
            metadata.write(self.external_inputs)


def new_run_record(pipeline: str, stack: OpenStack, *, orchestrator: str, kind: str = "pipeline") -> RunRecord:
    """The row of a run that this process is about to start.

    Args:
        pipeline: The pipeline's name.
        stack: The stack that the run uses.
        orchestrator: The name of what executes the run.
        kind: How the pipeline was written.

    Returns:
        The row with a new id; `RunRows.of` fills in plan and environment.
    """
    now = time.time()
    return RunRecord(
        id=new_run_id(now),
        pipeline=pipeline,
        stack=stack.stack.name,
        state=RunState.PENDING,
        created_at=now,
        started_at=now,
        host=socket.gethostname(),
        user=user_name(),
        process=process_identity(),
        orchestrator=orchestrator,
        kind=kind,
    )


def pending_step_records(plan: Plan, run_id: str) -> dict[str, StepRecord]:
    """The rows of a run's steps before anything has happened.

    Args:
        plan: What is run.
        run_id: The run.

    Returns:
        A row for each node, by the node's name.
    """
    return {
        node.name: StepRecord(
            run=run_id,
            name=node.name,
            position=position,
            state=StepState.PENDING,
            fingerprint=plan.code[node.name].fingerprint,
            capsule=plan.code[node.name].capsule,
        )
        for position, node in enumerate(plan.graph)
    }


def _external_input_records(plan: Plan, run: RunRecord) -> Batch:
    artifacts = [
        ArtifactRecord(stored.digest, stored.format, stored.address, stored.size, run.created_at)
        for stored in plan.external_inputs.values()
    ]
    inputs = []
    for node in plan.graph:
        for name, source in node.inputs.items():
            key = source.external_input
            if key:
                stored = plan.external_inputs[key]
                inputs.append(
                    InputRecord(run.id, node.name, name, "", key, stored.digest, stored.format, stored.member)
                )
    return Batch(artifacts=artifacts, inputs=inputs)


def _param_records(plan: Plan, run_id: str) -> list[ParamRecord]:
    """The parameters of a run and of its steps, with the digests of the files that they name."""
    named = [("", name, value) for name, value in plan.params.items()]
    named += [(node.name, name, value) for node in plan.graph for name, value in node.params.items()]
    return [ParamRecord(run_id, step, name, _text(value), _content(value)) for step, name, value in named]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _content(value: object) -> str:
    digests = [digest_of_path(path) for path in paths_in(value)]
    return digest_of_text(" ".join(digests)) if len(digests) > 1 else "".join(digests)
