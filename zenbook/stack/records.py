"""What a metadata store keeps, as plain frozen rows. Times are seconds since the epoch, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field

from zenbook.core.states import RunState, StepState


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a plan."""

    id: str
    pipeline: str
    stack: str
    state: RunState
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    error: str = ""  # "ValueError: …" in one line; the traceback is the step's
    host: str = ""
    user: str = ""
    process: str = ""  # "pid:start time" of the process that drives the run, on `host`
    orchestrator: str = ""
    environment: str = ""  # digest of an EnvironmentRecord
    plan: str = ""  # the plan's JSON; left out ("") by lists
    kind: str = "pipeline"  # "pipeline", or "cell" for a %%step cell run on its own


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """What changes in a run's row after it was made."""

    id: str
    state: RunState
    started_at: float | None
    ended_at: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step in one run; its key is (run, name)."""

    run: str
    name: str  # the node's name, unique in its run
    position: int  # 0-based place in the plan
    state: StepState
    fingerprint: str = ""  # of what the step runs; empty until planned
    capsule: str = ""  # digest of the CodeRecord it runs
    cache_key: str = ""  # fingerprint + parameters + inputs; empty until they are known
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    error: str = ""
    traceback: str = ""
    why: str = ""  # one sentence: why it ran or was served from the cache
    cached_from: str = ""  # the run whose outputs it was served
    random_in: str = ""  # digest of the global random state it drew from; "" if it did not
    notes: tuple[str, ...] = ()  # warnings for the user


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """One stored object; its key is (digest, format)."""

    digest: str  # blake3 of the bytes, 64 hex digits
    format: str  # name of the format that reads it
    address: str  # where in the artifact store: "ab/cdef….arrow"
    size: int  # bytes
    created_at: float


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A step run's named output; its key is (run, step, name)."""

    run: str
    step: str
    name: str
    digest: str
    format: str
    member: str = ""  # which part of a bundle that several outputs share
    type: str = ""  # "pandas.DataFrame"
    preview: str = ""  # JSON made by the format: shape, columns, …
    note: str = ""  # e.g. that pickle was the last resort
    address: str = ""  # of the artifact, joined in when read
    size: int = 0  # of the artifact, joined in when read


@dataclass(frozen=True, slots=True)
class InputRecord:
    """Which artifact a step run read (an edge of the lineage); its key is (run, step, name)."""

    run: str
    step: str
    name: str
    source_step: str  # "" for an object that was passed to the pipeline
    source_output: str
    digest: str
    format: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class ParamRecord:
    """One parameter of a run (step "") or of a step run; its key is (run, step, name)."""

    run: str
    step: str
    name: str
    value: str  # JSON
    content: str = ""  # digest of the file that a path parameter names


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """One value of a metric; its key is (run, step, name, n)."""

    run: str
    step: str
    name: str
    n: int  # 0-based order within (run, step, name)
    value: float
    at: float
    index: int | None = None  # the training step or epoch, if the user gave one


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One piece of what a step printed or logged; its key is (run, step, n)."""

    run: str
    step: str
    n: int
    at: float
    stream: str  # "stdout", "stderr" or "log"
    text: str


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """A capsule by its digest."""

    digest: str
    capsule: str  # JSON


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """Where a run ran, by digest: Python, packages, git, host, user."""

    digest: str
    description: str  # JSON


@dataclass(frozen=True, slots=True)
class MarkRecord:
    """What a user put on a run; its key is (run, kind, name)."""

    run: str
    kind: str  # "tag", "note" or "star"
    name: str  # the tag; "" for a note and a star
    at: float
    text: str = ""  # of a note


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change of a run. Of a run that was deleted it is all that is left."""

    run: str
    revision: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """Which runs changed after a revision, in the order of their revisions."""

    store: str  # the store's own id: another one when somebody has begun a new store at the same place
    revision: int  # of the store when it was asked
    runs: tuple[Change, ...] = ()


@dataclass(slots=True)
class Batch:
    """Changes that are written in one transaction, in this order."""

    runs: list[RunUpdate] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)  # inserted or replaced
    artifacts: list[ArtifactRecord] = field(default_factory=list)  # ignored if known
    outputs: list[OutputRecord] = field(default_factory=list)  # inserted or replaced
    inputs: list[InputRecord] = field(default_factory=list)  # inserted or replaced
    params: list[ParamRecord] = field(default_factory=list)  # inserted or replaced
    metrics: list[MetricRecord] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(
            (self.runs, self.steps, self.artifacts, self.outputs, self.inputs, self.params, self.metrics, self.logs)
        )


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs a list shows, newest first."""

    pipeline: str | None = None
    states: tuple[RunState, ...] = ()
    limit: int | None = 20
    before: str | None = None  # only runs older than this run id: the next page
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class CachedStep:
    """A step run whose outputs may be served again."""

    step: StepRecord
    outputs: tuple[OutputRecord, ...]
    metrics: tuple[MetricRecord, ...]
