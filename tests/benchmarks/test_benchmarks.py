"""The benchmarks run, at sizes that say nothing about speed, so that they don't rot."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import history_in_sql
from benchmarks.__main__ import NAMES, main
from benchmarks.against_mlflow import PYTHON
from benchmarks.figures import Figure, Result, over, table

SIZES = {
    "chain": {"steps": 4, "repeats": 2},
    "fresh_process": {"repeats": 1},
    "large_data": {"rows": 20_000, "numbers": 40_000, "repeats": 1},
    "many_runs": {"runs": 6, "steps": 3, "repeats": 2, "length": 2},
    "metadata_stores": {"runs": 60, "repeats": 2},
    "object_stores": {"megabytes": 1, "repeats": 1},
    "exporting": {"steps": 3, "repeats": 1},
    "airflow_runs": {"runs": 0, "workers": 1},
    "comparing": {"runs": 12, "steps": 3, "rows": 2_000, "repeats": 1},
    "imports": {"repeats": 1, "kernels": 1},
    "run_panel": {"steps": 4, "lines": 100, "repeats": 1},
    "panels_in_browser": {"runs": 200, "repeats": 1},
    "history_in_sql": {"runs": 30, "rows": 2000, "peer": 0, "repeats": 2},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_gives_figures_with_targets(name):
    result = importlib.import_module(f"benchmarks.{name}").measure(**SIZES[name])
    assert [one for one in result.figures if one.target is not None]
    assert all(isinstance(one.measured, float) for one in result.figures)
    assert "target" in table(result)


def test_mlflow_is_asked_the_same_and_gives_the_same_answers():
    if not PYTHON.is_file():
        pytest.skip("MLflow is not there: tests/setup/mlflow.sh makes its environment")
    figures = history_in_sql.measure_peer(runs=600, repeats=1)
    assert len(figures) == 4
    assert all("of MLflow 3" in one.unit and "times as fast" in one.detail for one in figures)


def test_every_benchmark_has_a_tiny_size_here():
    assert set(SIZES) == set(NAMES)


def test_a_figure_above_its_target_is_over_and_a_yardstick_never_is():
    slow, quick = Figure("slow", 3.0, "ms", 2.0), Figure("quick", 2.0, "ms", 2.0)
    result = Result("Speed", (slow, quick, Figure("yardstick", 9.0, "ms")))
    assert over([result]) == ["slow"]
    assert "1.50   over" in table(result)


def test_an_unknown_benchmark_is_named_with_those_that_there_are(capsys):
    assert main(["speed"]) == 2
    assert "There is no benchmark 'speed'" in capsys.readouterr().out
