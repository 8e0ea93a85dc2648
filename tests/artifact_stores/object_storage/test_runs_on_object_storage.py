"""Runs on a stack whose artifacts are in object storage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.object_stores import CLOUDS, Servers
from tests.servers.proxy import Proxy

ROOT = Path(__file__).parents[3]
MB = 1024 * 1024
SCHEMES = {"s3": "s3", "gcs": "gs", "azure": "az", "filesystem": "file"}
PIPELINE = """
    from typing import Annotated

    from zenbook import pipeline, step

    @step
    def load(rows: int) -> tuple[Annotated[dict, "left"], Annotated[dict, "right"]]:
        return {"rows": list(range(rows))}, {"rows": [rows]}

    @step
    def total(left: dict, right: dict) -> int:
        return sum(left["rows"]) + sum(right["rows"])

    @pipeline
    def training(rows: int = 1000):
        left, right = load(rows)
        return total(left, right)
"""
RUN = """
    from training import training

    run = training()
    print({name: str(step.state) for name, step in run.steps.items()})
    print(run.steps["total"].outputs["output"].load(), run.steps["load"].outputs["left"].uri)
"""


def python(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=folder, env=env, capture_output=True, text=True
    )


def configure(folder: Path, name: str, options: dict[str, Any]) -> None:
    (folder / ".zen").mkdir(exist_ok=True)
    config = {
        "version": 1,
        "active": "far",
        "artifact_stores": {"objects": {"flavour": name, **options}},
        "stacks": {"far": {"artifact_store": "objects"}},
    }
    (folder / ".zen" / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("name", [*CLOUDS, "filesystem"])
def test_a_pipeline_runs_and_another_process_has_it_from_the_cache(
    name, servers: Servers, workspace: Path, tmp_path: Path
):
    configure(workspace, name, servers.options(name, tmp_path))
    (workspace / "training.py").write_text(textwrap.dedent(PIPELINE))
    first, second = (python(RUN, workspace) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "{'load': 'succeeded', 'total': 'succeeded'}" in first.stdout
    assert "{'load': 'cached', 'total': 'cached'}" in second.stdout
    assert f"500500 {SCHEMES[name]}://" in second.stdout
    shutil.rmtree(workspace / ".zen" / "cache")
    third = python(RUN, workspace)
    assert third.stdout == second.stdout, third.stderr


FRAMES = """
    import pandas as pd

    from zenbook import pipeline, step

    @step
    def data(rows: int) -> pd.DataFrame:
        return pd.DataFrame({"place": range(rows), "name": [f"größe {n}" for n in range(rows)]})

    @pipeline
    def making(rows: int):
        data(rows)
"""
QUERY = """
    import zenbook
    print(zenbook.sql("select sum(place)::bigint as n from artifact('latest', 'data', 'output') where place > 1")["n"],
          zenbook.sql("select r.params.rows as rows, max(a.place) as last from artifacts_of('making', 'data', 'output') as a "
                      "join runs as r on r.id = a.run group by all order by all").df().values.tolist())
"""


@pytest.mark.parametrize("name", CLOUDS)
def test_stored_frames_are_tables_of_a_query_also_when_the_cache_is_empty(name, servers, workspace, tmp_path):
    configure(workspace, name, servers.options(name, tmp_path))
    (workspace / "making.py").write_text(textwrap.dedent(FRAMES))
    done = python("from making import making; making(rows=3); making(rows=5)", workspace)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(workspace / ".zen" / "cache")
    answer = python(QUERY, workspace)
    assert answer.stdout == "[9] [[3, 2], [5, 4]]\n", answer.stderr


def test_a_step_whose_outputs_did_not_arrive_has_failed_and_runs_again(servers, workspace, tmp_path):
    options = servers.options("s3", tmp_path)
    (workspace / "training.py").write_text(textwrap.dedent(PIPELINE))
    with Proxy(servers["s3"].endpoint) as proxy:
        configure(workspace, "s3", {**options, "endpoint_url": proxy.url})
        proxy.answer = lambda method, path: (403, b"") if method == "PUT" else None
        failed = python(RUN, workspace)
        assert failed.returncode != 0
        assert "StoreError" in failed.stderr
        assert "these credentials do not have the right" in failed.stderr
        states = python("import zenbook; print([str(r.steps['load'].state) for r in zenbook.runs()])", workspace)
        assert "['failed']" in states.stdout, states.stderr
        proxy.answer = lambda method, path: None
        again = python(RUN, workspace)
    assert "{'load': 'succeeded', 'total': 'succeeded'}" in again.stdout, again.stderr


def test_a_process_on_the_local_stack_imports_nothing_of_object_storage(workspace):
    (workspace / "training.py").write_text(textwrap.dedent(PIPELINE))
    done = python(
        "from training import training; training(); import sys; print([m for m in sys.modules if m.split('.')[0] in ('fsspec', 's3fs', 'tenacity', 'filelock')])",
        workspace,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("name", CLOUDS)
def test_an_upload_needs_little_memory(name, servers, tmp_path):
    options = servers.options(name, tmp_path)
    code = f"""
        import json, os, re
        from pathlib import Path
        from tests.servers.object_stores import make_store

        def resident(field):
            return int(re.search(rf"^{{field}}:\\s+(\\d+) kB", Path("/proc/self/status").read_text(), re.M)[1]) * 1024

        store = make_store({name!r}, Path({str(tmp_path / "home")!r}), **{options!r})
        piece = os.urandom(1024 * 1024)
        store.check()
        store.put(lambda file: [file.write(piece) for _ in range(1)], suffix=".bin")  # imports what it must
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        used = {{}}
        for what, sizes in (("one", [240]), ("63 MB", [60]), ("many", [12] * 12)):
            Path("/proc/self/clear_refs").write_text("5")
            before = resident("VmRSS")
            with store.together():
                for n, size in enumerate(sizes):
                    store.put(lambda file: [file.write(bytes([n, size]) + piece) for _ in range(size)], suffix=".bin")
            used[what] = resident("VmHWM") - before
        print(json.dumps(used))
    """
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    print(name, {what: f"{size / MB:.0f} MB" for what, size in held.items()})
    assert all(size <= 64 * MB for size in held.values()), held
