"""``%%zen sql`` in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernels import Kernel, kernel

PIPELINE = """
from zenbook import pipeline, step

@step
def fit(lr: float):
    return lr

@pipeline
def training(lr: float = 0.1):
    fit(lr)

for lr in (0.1, 0.2, 0.3):
    training(lr=lr)
"""


@pytest.fixture
def k(tmp_path: Path) -> Iterator[Kernel]:
    with kernel(tmp_path) as one:
        one.run("%load_ext zenbook")
        one.run(PIPELINE)
        yield one


def test_a_cell_asks_in_sql_and_binds_expressions_of_the_notebook(k: Kernel) -> None:
    k.run("cut = 0.15")
    query = "%%zen sql{}\nselect params.lr from runs where params.lr > {{{{cut + {}}}}} order by 1"
    assert "2 rows" in str(k.run(query.format("", 0)).result)
    assert not k.run(query.format(" found", 0.1)).outputs
    assert k.run("found['lr']").result == "[0.3]"
    assert "1 row" in str(k.run("%%zen sql -p most=0.15\nselect id from runs where params.lr < $most::double").result)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%zen sql\nselect pipelin from runs", "Unknown column 'pipelin'"),
        ("%%zen sql\nselect {{nothing}}", "NameError"),
        ("%%zen show\nlatest", "Write %%zen sql"),
    ],
)
def test_a_mistake_in_a_cell_is_told_without_a_traceback(k: Kernel, cell: str, said: str) -> None:
    shown = k.run(cell, ok=False).text
    assert said in shown
    assert "Traceback" not in shown
