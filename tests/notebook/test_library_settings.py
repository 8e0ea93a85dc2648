"""Settings of libraries pass from step cell to step cell, in this kernel, in another, in a process; and no further."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernels import Kernel, kernel

LIBRARIES = [
    (
        "import sklearn\nsklearn.set_config(transform_output='pandas')",
        "sklearn.get_config()['transform_output']",
        "pandas",
    ),
    ("import pandas as pd\npd.set_option('display.precision', 2)", "pd.get_option('display.precision')", 2),
    ("import numpy as np\nnp.set_printoptions(precision=3)", "np.get_printoptions()['precision']", 3),
    ("import numpy as np\nnp.seterr(divide='raise')", "np.geterr()['divide']", "raise"),
    ("import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 7", "plt.rcParams['font.size']", 7.0),
    ("import matplotlib.pyplot as plt\nplt.style.use('ggplot')", "plt.rcParams['axes.facecolor']", "#E5E5E5"),
]


@pytest.fixture
def k(tmp_path: Path) -> Iterator[Kernel]:
    with kernel(tmp_path) as made:
        made.run("%load_ext zenbook")
        yield made


def cells(settings: str, read: str) -> tuple[str, str]:
    return f"%%step settings\n{settings}", f"%%step look\n{settings.splitlines()[0]}\nseen = {read}\nseen"


@pytest.mark.parametrize(("settings", "read", "value"), LIBRARIES)
def test_what_one_cell_sets_holds_for_the_next_in_another_process_and_from_the_cache(
    tmp_path: Path, settings: str, read: str, value: object
) -> None:
    first, second = cells(settings, read)
    with kernel(tmp_path) as one:  # the library is first imported by the cell
        one.run("%load_ext zenbook")
        one.run(first)
        assert one.run(second).result == repr(value)
    with kernel(tmp_path, ZENBOOK_STACK_ORCHESTRATOR="process") as other:
        other.run("%load_ext zenbook")
        assert "cached" in other.run(first).text
        assert other.run(read).result == repr(value)
        assert "cached" in other.run(second).text
        assert other.run("r = %zen run --no-cache\nr.outputs['look']['seen'].load()").result == repr(value)


def test_another_setting_runs_the_cells_below_again_and_is_told(k: Kernel) -> None:
    first, second = cells(*LIBRARIES[0][:2])
    k.run(first)
    k.run(second)
    assert "cached" in k.run(second).text
    k.run(first.replace("'pandas'", "'default'"))
    again = k.run(second)
    assert "cached" not in again.text
    assert again.result == "'default'"
    assert "the library settings made by `settings` changed" in k.run("%zen why latest look").text


def test_a_cell_sees_nothing_that_a_cell_below_has_set(k: Kernel) -> None:
    first, second = cells(*LIBRARIES[0][:2])
    assert k.run(second).result == "'default'"
    k.run(first)
    assert k.run(second.replace("seen\n", "seen\n# again\n") + "\n1").error == ""
    assert k.run("seen").result == "'default'"


def test_a_cell_that_failed_and_is_run_again_is_seen_to_set(k: Kernel) -> None:
    first, second = cells(*LIBRARIES[0][:2])
    assert k.run(first + "\n1 / 0", ok=False).error == "ZeroDivisionError"
    k.run(first)
    k.run("import sklearn\nsklearn.set_config(transform_output='default')")
    assert k.run(second + "\n").result == "'pandas'"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("import sklearn\nsklearn.set_config(transform_output='pandas')", "transform_output of sklearn"),
        ("import numpy as np\nnp.seterr(divide='ignore')", "divide errors of numpy"),
        ("import pandas as pd\npd.set_option('mode.copy_on_write', 'warn')", "mode.copy_on_write of pandas"),
    ],
)
def test_a_setting_that_no_step_has_made_is_told_and_nothing_is_cached_under_it(
    k: Kernel, setting: str, told: str
) -> None:
    library = setting.split()[1]
    k.run(f"from zenbook import step, pipeline\n@step\ndef one():\n    import {library}\n    return 1")
    k.run("@step\ndef other(): return 2\n@pipeline\ndef both():\n    one()\n    other()")
    assert told not in k.run("both()").text
    k.run(setting)
    for _ in range(2):
        assert k.run("[str(one.state) for one in both().steps.values()]").result == "['succeeded', 'cached']"
        assert f"{told} was set outside a step" in k.run("%zen show latest one").text
    assert told in k.run(f"%%step cell\nimport {library}\nx = 1").text


@pytest.mark.parametrize(("settings", "read", "value"), LIBRARIES)
def test_what_a_function_step_sets_is_taken_back(k: Kernel, settings: str, read: str, value: object) -> None:
    importing, setting = settings.split("\n")
    k.run(f"from zenbook import step, pipeline\n{importing}")
    before = k.run(read).result
    k.run(f"@step\ndef one():\n    {importing}\n    {setting}\n    return {read}\n@step\ndef two(x): return x, {read}")
    k.run("@pipeline\ndef both(): two(one())")
    assert k.run("both().outputs['two']['output'].load()").result == f"({value!r}, {before})"
    assert k.run(read).result == before


def test_a_library_that_another_thread_is_about_to_import_is_left_alone(tmp_path: Path) -> None:
    """As when an import is interrupted while the panel's thread imports something: the library is gone again."""
    (tmp_path / "sklearn.py").write_text(
        "import sys\n\ndef get_config(): return state\nwhile 'go' not in vars(sys): pass\nraise ImportError('not today')\n"
    )
    with kernel(tmp_path) as k:
        k.run("%load_ext zenbook\nimport sys, threading\nsys.path.insert(0, '')")
        k.run(
            "%%step late\nimport threading, time, sys, importlib\nof = threading.Thread(target=lambda: importlib.import_module('sklearn'))\n"
            "of.start()\nwhile 'sklearn' not in sys.modules: time.sleep(0.01)\nimport this\nsys.go = True\nof.join()\ndel of\nx = 1"
        )
        assert k.run("x").result == "1"
