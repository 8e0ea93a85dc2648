"""Run one step of a plan in a process of its own: ``python -m zenbook.runs.worker PLAN STEP --run ID``.

A task of an outside engine is ``python -m zenbook.runs.worker PLAN --engine NAME``: the engine's integration, found by
entry point, says which step of which run it is.

The exit code is 0 when the step succeeded or was served from the cache, 1 when it failed, 2 for bad arguments, 130
when it was interrupted. How the step ended is in the metadata store.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from zenbook.core.entry_points import entry_points_by_name, find_entry_point
from zenbook.core.events import Listeners
from zenbook.core.plan import Plan
from zenbook.engine.run_context import RunContext
from zenbook.engine.steps.failure_text import describe_failure
from zenbook.engine.steps.installed_packages import with_installed_versions
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.engine.steps.step_runner import AttemptFailedError, run_step
from zenbook.engine.store_retry import retry_until_reachable
from zenbook.errors import RunError, ZenbookError, did_you_mean
from zenbook.stack.stack import open_stack

ENGINES = "zenbook.engines"  # the entry point group


class BadArgumentsError(RunError):
    """The worker's arguments name a plan, a step, a run or an engine that does not exist."""


def main(arguments: list[str] | None = None) -> int:
    """Run the worker.

    Args:
        arguments: The command line; by default that of this process.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _work(options)
    except KeyboardInterrupt:
        return 130
    except AttemptFailedError as error:
        sys.stderr.write(describe_failure(error.__cause__ or error)[1])
        return 1
    except ZenbookError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2 if isinstance(error, BadArgumentsError) else 1
    except Exception as error:  # noqa: BLE001  # the step's own: shown as its user wants it
        sys.stderr.write(describe_failure(error)[1])
        return 1
    return 0


def _work(options: argparse.Namespace) -> None:
    plan = _read_plan(Path(options.plan))
    if options.engine:
        _engine(options.engine)(Path(options.plan), plan)
        return
    if not options.run or not options.step:
        raise BadArgumentsError(
            "The worker needs a STEP and --run ID.", "As a task of another engine it needs --engine NAME."
        )
    names = [node.name for node in plan.graph]
    if options.step not in names:
        raise BadArgumentsError(
            f"The plan has no step {options.step!r}.", did_you_mean(options.step, names, noun="step")
        )
    stack = open_stack(options.stack)
    if retry_until_reachable(lambda: stack.metadata.run(options.run)) is None:
        raise BadArgumentsError(
            f"Run {options.run!r} is not in {stack.metadata.describe()}.",
            "The process that starts a run creates its row: use the same stack and workspace here.",
        )
    plan, differing = with_installed_versions(plan, options.step)
    for line in differing:
        sys.stderr.write(f"{options.step}: {line}\n")
    observers = Listeners(())
    use_cache = not options.no_cache
    with proxied_streams(), RunContext.recorded(plan, options.run, stack, observers, use_cache=use_cache) as context:
        run_step(context, plan.graph[options.step])


def _engine(name: str) -> Callable[[Path, Plan], None]:
    """The function that runs a task of an outside engine."""
    engine = find_entry_point(ENGINES, name)
    if engine is None:
        known = entry_points_by_name(ENGINES)
        raise BadArgumentsError(f"Unknown engine {name!r}.", did_you_mean(name, known, noun="engine"))
    run_task: Callable[[Path, Plan], None] = engine.load()
    return run_task


def _read_plan(file: Path) -> Plan:
    try:
        return Plan.from_json(file.read_text(encoding="utf-8"))
    except RunError as error:
        raise BadArgumentsError(f"{file}: {error.message}", error.hint) from error
    except OSError as error:
        raise BadArgumentsError(
            f"The plan {file} cannot be read: {error.strerror}.", "Check that its folder is mounted here."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArgumentsError(
            f"The plan {file} is damaged ({type(error).__name__}: {error}).",
            "Export or run the pipeline again.",
        ) from error


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zenbook.runs.worker", description=__doc__)
    parser.add_argument("plan", help="the plan's JSON file")
    parser.add_argument("step", nargs="?", help="the node to run")
    parser.add_argument("--run", help="the id of the run")
    parser.add_argument("--engine", help="the outside engine whose task this is")
    parser.add_argument("--airflow", action="store_const", dest="engine", const="airflow", help="--engine airflow")
    parser.add_argument("--stack", default=None, help="the stack; by default the active one")
    parser.add_argument("--no-cache", action="store_true", help="run the step even if nothing changed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
