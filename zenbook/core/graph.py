"""The graph of a pipeline: immutable nodes, and where each node's inputs come from.

A graph holds no store, no engine and no function. Arguments are JSON (see `plain_values`), in which
``{"$input": name}`` stands for an object that comes from another step or was passed to the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Json = object  # what `json.dumps` takes


class StepKind(StrEnum):
    """How a step was written."""

    FUNCTION = "function"
    CELL = "cell"


@dataclass(frozen=True, slots=True)
class OutputRef:
    """A step's output, by the node's name."""

    step: str
    output: str


@dataclass(frozen=True, slots=True)
class Input:
    """Where an input comes from: the first of ``sources`` that exists when the step's turn comes.

    There is more than one source where an earlier cell may or may not have changed an object in place.
    ``external_input`` is the key of an object that was passed to the pipeline. ``optional`` inputs (the random state)
    may be missing.
    """

    sources: tuple[OutputRef, ...] = ()
    external_input: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed step is tried again: ``count`` more times, after ``delay`` seconds, doubled each time."""

    count: int = 0
    delay: float = 1.0


@dataclass(frozen=True, slots=True)
class StepOptions:
    """The options that a user can set on a step."""

    cache: bool = True
    retries: Retries = Retries()
    timeout: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a step in a pipeline."""

    name: str
    step: str
    kind: StepKind
    outputs: tuple[str, ...]  # for a cell: the names it assigns
    arguments: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    options: StepOptions = StepOptions()
    doc: str = ""
    inferred: bool = False  # a cell's outputs were not named by the user: those that cannot be stored are left out

    @property
    def shown_upstream(self) -> tuple[str, ...]:
        """Names of the nodes whose outputs this one takes by name, without repetition."""
        sources = (ref.step for source in self.inputs.values() if not source.optional for ref in source.sources)
        return tuple(dict.fromkeys((*sources, *self.after)))

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the nodes that must end before this one, without repetition."""
        sources = (ref.step for source in self.inputs.values() for ref in source.sources)
        return tuple(dict.fromkeys((*sources, *self.after)))

    @property
    def params(self) -> dict[str, Json]:
        """The arguments that are plain values."""
        return {name: value for name, value in self.arguments.items() if not _has_input(value)}


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in an order in which they can run."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(from, to) pairs of node names, without repetition; implicit inputs are left out."""
        return tuple((source, node.name) for node in self.nodes for source in node.shown_upstream)


def _has_input(template: Json) -> bool:
    if isinstance(template, dict):
        return "$input" in template or any(_has_input(part) for part in template.values())
    if isinstance(template, list):
        return any(_has_input(part) for part in template)
    return False


def transitive_reduction(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The edges without those that a longer path implies (Aho, Garey and Ullman, 1972); each graph has only one.

    Args:
        names: The nodes, each behind those that it needs.
        edges: Pairs of nodes: the second needs the first.

    Returns:
        The edges that stay, in their order.
    """
    place = {name: at for at, name in enumerate(names)}
    edges = tuple(edges)
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        after[source].append(target)
    reach: dict[str, int] = {}  # what can be reached from a node, as bits by place
    direct: set[tuple[str, str]] = set()
    for name in reversed(names):
        reached = 0
        for target in sorted(after[name], key=place.__getitem__):
            bit = 1 << place[target]
            if not reached & bit:
                direct.add((name, target))
            reached |= bit | reach.get(target, 0)
        reach[name] = reached
    return tuple(edge for edge in edges if edge in direct)
