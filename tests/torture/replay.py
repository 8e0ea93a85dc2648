"""Run every step of a recorded run again, each in a process that knows nothing but the plan and the stores.

``python replay.py WORKSPACE RUN`` prints, as JSON, what each step gave (output → digest, format) or its error.
"""

from __future__ import annotations

import json
import os
import sys

from zenbook.core.events import Listeners
from zenbook.core.plan import Plan
from zenbook.engine.steps.output_capture import proxied_streams
from zenbook.engine.steps.step_runner import HIDDEN, RunContext, run_step
from zenbook.stack.stack import open_stack


def main(run: str) -> None:
    """Fork once for each step, so that no step finds what another has loaded."""
    stack = open_stack()
    record = stack.metadata.run(run)
    assert record is not None
    plan = Plan.from_json(record.plan)
    stack.metadata.close()
    found = {node.name: forked(plan, run, node.name) for node in plan.graph}
    sys.stdout.write(json.dumps(found))


def forked(plan: Plan, run: str, step: str) -> dict[str, list[str]]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as file:
            try:
                json.dump(replayed(plan, run, step), file)
            except BaseException as error:
                json.dump({"error": [type(error).__name__, str(error)]}, file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text)


def replayed(plan: Plan, run: str, step: str) -> dict[str, list[str]]:
    stack = open_stack()
    nobody = Listeners(())
    context = RunContext(plan, run, stack.artifacts, stack.metadata, nobody, nobody, use_cache=False)
    with proxied_streams():
        finished = run_step(context, plan.graph[step])
    return {
        name: [stored.digest, stored.format, stored.preview] for name, stored in finished.outputs if name not in HIDDEN
    }


if __name__ == "__main__":
    main(sys.argv[1])
