"""The plan: frozen JSON with all that a run needs. Nothing else leaves the notebook.

A plan holds no function, no cell, no store and no secret: the graph, the arguments, the capsules by digest, each
node's fingerprint and the distributions that the capsules import.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from zenbook.core.capsule import Capsule
from zenbook.core.events import Stored
from zenbook.core.graph import Graph, Input, Json, Node, OutputRef, Retries, StepKind, StepOptions
from zenbook.errors import RunError

PLAN_VERSION = 1


@dataclass(frozen=True, slots=True)
class Code:
    """What a node runs: the capsule's digest in `Plan.capsules`, and the fingerprint of what it does."""

    capsule: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ParameterTarget:
    """Where a pipeline's parameter arrives: a node's argument, or a part of it (keys and positions of its JSON)."""

    node: str
    argument: str
    within: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph with everything that its nodes need to run anywhere."""

    pipeline: str
    graph: Graph
    code: Mapping[str, Code]  # by node name
    capsules: Mapping[str, Capsule]  # by digest
    params: Mapping[str, Json] = field(default_factory=dict)  # of the pipeline
    external_inputs: Mapping[str, Stored] = field(
        default_factory=dict
    )  # objects passed to the pipeline, by `Input.external_input`
    formats: tuple[str, ...] = ()  # digests of capsules that define a user's own formats
    python: str = ""
    kind: str = "pipeline"
    doc: str = ""
    bindings: Mapping[str, tuple[ParameterTarget, ...]] = field(
        default_factory=dict
    )  # where a parameter may be replaced

    def capsule_of(self, node: str) -> Capsule:
        """Find the capsule that a node runs.

        Args:
            node: The node's name.

        Returns:
            The capsule.
        """
        return self.capsules[self.code[node].capsule]

    @property
    def requirements(self) -> tuple[str, ...]:
        """The distributions that the capsules import, as ``name==version``."""
        pins = {
            f"{name}=={version}"
            for capsule in self.capsules.values()
            for name, version in capsule.requirements
            if version
        }
        return tuple(sorted(pins))

    def to_json(self) -> str:
        """The plan as JSON with sorted keys: the same plan gives the same text."""
        body = {
            "version": PLAN_VERSION,
            "pipeline": self.pipeline,
            "kind": self.kind,
            "doc": self.doc,
            "python": self.python,
            "params": dict(self.params),
            "given": {key: asdict(stored) for key, stored in self.external_inputs.items()},
            "formats": list(self.formats),
            "requirements": list(self.requirements),
            "nodes": [_node_to_json(node, self.code[node.name]) for node in self.graph],
            "capsules": {digest: capsule.to_json() for digest, capsule in self.capsules.items()},
        }
        if self.bindings:  # only exported plans have them
            body["bindings"] = {
                name: [[target.node, target.argument, list(target.within)] for target in targets]
                for name, targets in self.bindings.items()
            }
        return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Args:
            text: The JSON.

        Returns:
            The plan.

        Raises:
            RunError: This is not a plan, or a newer zenbook wrote it.
        """
        try:
            body = json.loads(text)
            version = body["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError("This is not a zenbook plan.", "Give the plan.json that zenbook wrote.") from error
        if version > PLAN_VERSION:
            raise RunError(
                f"The plan has version {version}; this zenbook reads up to version {PLAN_VERSION}.",
                "Upgrade it: pip install -U zenbook",
            )
        return cls(
            pipeline=body["pipeline"],
            kind=body["kind"],
            doc=body["doc"],
            python=body["python"],
            params=body["params"],
            external_inputs={key: Stored(**stored) for key, stored in body["given"].items()},
            formats=tuple(body["formats"]),
            graph=Graph(tuple(_node_from_json(node) for node in body["nodes"])),
            code={node["name"]: Code(node["capsule"], node["fingerprint"]) for node in body["nodes"]},
            capsules={digest: Capsule.from_json(capsule) for digest, capsule in body["capsules"].items()},
            bindings={
                name: tuple(ParameterTarget(node, argument, tuple(within)) for node, argument, within in places)
                for name, places in body.get("bindings", {}).items()
            },
        )


def _node_to_json(node: Node, code: Code) -> dict[str, Any]:
    return {
        "name": node.name,
        "step": node.step,
        "kind": str(node.kind),
        "outputs": list(node.outputs),
        "arguments": dict(node.arguments),
        "inputs": {
            name: {
                "sources": [[ref.step, ref.output] for ref in source.sources],
                "given": source.external_input,
                "optional": source.optional,
            }
            for name, source in node.inputs.items()
        },
        "after": list(node.after),
        "options": {
            "cache": node.options.cache,
            "retries": node.options.retries.count,
            "retry_delay": node.options.retries.delay,
            "timeout": node.options.timeout,
        },
        "doc": node.doc,
        "inferred": node.inferred,
        "capsule": code.capsule,
        "fingerprint": code.fingerprint,
    }


def _node_from_json(body: dict[str, Any]) -> Node:
    options = body["options"]
    return Node(
        name=body["name"],
        step=body["step"],
        kind=StepKind(body["kind"]),
        outputs=tuple(body["outputs"]),
        arguments=body["arguments"],
        inputs={
            name: Input(tuple(OutputRef(*ref) for ref in source["sources"]), source["given"], source["optional"])
            for name, source in body["inputs"].items()
        },
        after=tuple(body["after"]),
        options=StepOptions(options["cache"], Retries(options["retries"], options["retry_delay"]), options["timeout"]),
        doc=body["doc"],
        inferred=body["inferred"],
    )
