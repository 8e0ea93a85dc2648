"""``%%step`` cells in a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook.kernels import Kernel, kernel

FIT = "%%step fit\nmodel = {'w': sum(X) * C}\nprint('fitting')\nmodel['w']"


def test_a_cell_takes_what_earlier_steps_made_and_plain_values_and_gives_what_it_assigns(k: Kernel) -> None:
    k.run("C = 2")
    k.run("%%step load\nX = [1, 2, 3]")
    done = k.run(FIT)
    assert "X, C=2 → model" in done.text
    assert "fitting" in done.text
    assert done.result == "12"
    assert k.run("model").result == "{'w': 12}"
    assert k.run("r = %zen run\n[*r.steps['fit'].inputs.items()], r.steps['fit'].params").result == (
        "([('X', 'load.X')], {'C': 2})"
    )


def test_an_unchanged_cell_is_served_from_the_cache_and_shows_what_it_showed(k: Kernel) -> None:
    k.run("C = 2")
    k.run("%%step load\nX = [1, 2, 3]")
    k.run(FIT)
    again = k.run(FIT)
    assert "cached" in again.text
    assert "fitting" in again.text
    assert [one["data"]["text/plain"] for one in again.of("display")][-1] == "12"


def test_a_new_kernel_is_served_too(k: Kernel, tmp_path: Path) -> None:
    k.run("C = 2")
    k.run("%%step load\nX = [1, 2, 3]")
    k.run(FIT)
    with kernel(tmp_path) as other:
        other.run("%load_ext zenbook\nC = 2")
        assert "cached" in other.run("%%step load\nX = [1, 2, 3]").text
        assert "cached" in other.run(FIT).text
        assert other.run("X, model").result == "([1, 2, 3], {'w': 12})"


@pytest.mark.parametrize(
    ("edit", "runs"),
    [
        ("C = 2", False),
        ("C = 3", True),
        ("C = 2.0", True),
        ("def weight(x): return x * 2  # as before", False),
        ("def weight(x): return x * 3", True),
        ("Z = 1", False),
    ],
)
def test_a_cell_runs_again_only_if_what_it_reaches_changed(k: Kernel, edit: str, runs: bool) -> None:
    cell = "%%step fit\ny = weight(C)"
    k.run("C = 2\ndef weight(x):\n    return x * 2")
    k.run(cell)
    k.run(edit)
    assert ("cached" not in k.run(cell).text) == runs


def test_an_input_changed_in_place_is_an_output_too_and_later_cells_get_it(k: Kernel) -> None:
    k.run("%%step load\nimport pandas as pd\nframe = pd.DataFrame({'a': [1, 2]})")
    assert "frame → frame" in k.run("%%step widen\nframe['b'] = frame['a'] * 2").text
    assert "frame → total" in k.run("%%step total\ntotal = int(frame['b'].sum())").text
    assert k.run("total").result == "6"
    run = k.run("r = %zen run\n[str(one.state) for one in r.steps.values()], r.steps['total'].inputs")
    assert run.result == "(['cached', 'cached', 'cached'], {'frame': 'widen.frame'})"


def test_an_input_that_is_only_read_is_no_output(k: Kernel) -> None:
    k.run(
        "%%step load\nimport numpy as np, pandas as pd\nframe = pd.DataFrame({'a': [1, 2]})\nM = np.eye(3)\nd = {1: [2]}"
    )
    done = k.run("%%step read\nn = len(frame) + M.sum() + len(d)")
    assert "→ n" in done.text.replace("d, frame → n", "→ n")
    assert k.run("r = %zen run\nlist(r.steps['read'].outputs)").result == "['n']"


def test_definitions_of_a_step_cell_are_no_artifacts_and_reach_later_cells(k: Kernel) -> None:
    k.run(
        "%%step tools\nimport math\nclass Point:\n    def __init__(self, x): self.x = x\n"
        "def double(p): return Point(p.x * 2 + offset)\noffset = 1\np = Point(3)"
    )
    k.run("%%step use\nq = double(p)\nsame = isinstance(q, Point) and isinstance(p, Point)")
    assert k.run("q.x, same, isinstance(q, Point), isinstance(p, Point), math.pi > 3").result == (
        "(7, True, True, True, True)"
    )
    assert k.run("r = %zen run\nlist(r.steps['tools'].outputs)").result == "['offset', 'p']"


def test_outputs_that_share_objects_still_share_them(k: Kernel) -> None:
    k.run("import matplotlib; matplotlib.use('agg')")
    k.run("%%step draw\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])")
    k.run("%%step label\nax.set_title('title')\ntitles = [a.get_title() for a in fig.axes]\nshared = fig.axes[0] is ax")
    assert k.run("titles, shared, fig.axes[0] is ax").result == "(['title'], True, True)"


def test_a_seed_in_one_cell_holds_for_the_next_and_caches_across_kernels(tmp_path: Path) -> None:
    seed, draw = "%%step seed\nimport numpy as np\nnp.random.seed(0)", "%%step draw\nx = float(np.random.rand())\nx"
    with kernel(tmp_path) as one:  # NumPy is first imported by the cell
        one.run("%load_ext zenbook")
        assert "without a seed" not in one.run(seed).text
        first = one.run(draw)
        assert "without a seed" not in first.text
    with kernel(tmp_path) as other:
        other.run("%load_ext zenbook")
        assert "cached" in other.run(seed).text
        again = other.run(draw)
        assert "cached" in again.text
        assert first.result in again.text


def test_an_unseeded_draw_is_said_and_not_served_to_another_kernel(k: Kernel, tmp_path: Path) -> None:
    draw = "%%step draw\nimport random\nx = random.random()"
    assert "without a seed" in k.run(draw).text
    with kernel(tmp_path) as other:
        other.run("%load_ext zenbook")
        assert "cached" not in other.run(draw).text


@pytest.mark.parametrize(
    ("cell", "error", "says"),
    [
        ("%%step bad\nx = 1\n!pip list", "DefinitionError", "Line 2 of step 'bad' is a shell line (`!pip list`)"),
        ("%%step bad\n%matplotlib inline\nx = 1", "DefinitionError", "Line 1 of step 'bad' is a magic"),
        ("%%step bad\nfiles = !ls", "DefinitionError", "a shell line"),
        ("%%step bad\nfrom math import *", "DefinitionError", "from math import *"),
        ("%%step bad\n# nothing", "DefinitionError", "is empty"),
        ("%%step bad\nx = (", "SyntaxError", "was never closed"),
        ("%%step bad -o nothere\nx = 1", "DefinitionError", "does not assign its output `nothere`"),
        ("%%step bad --retires 2\nx = 1", "DefinitionError", "--retires"),
        ("%%step bad --timeout soon\nx = 1", "DefinitionError", "not a duration"),
        ("%%step " + "n" * 200 + "\nx = 1", "DefinitionError", "1 to 100 printable characters"),
        ("%%step bad\ny = len(outside)", "CaptureError", "`outside`"),
    ],
)
def test_a_cell_that_cant_be_a_step_gets_a_clear_reason(k: Kernel, cell: str, error: str, says: str) -> None:
    k.run("import pandas as pd\noutside = pd.DataFrame({'a': [1]})")
    done = k.run(cell, ok=False)
    assert done.error == error, done.text
    assert says in done.text
    assert "site-packages" not in done.text.replace("SyntaxError", "") or error == "SyntaxError"
    assert k.run("%zen step list").result.count("bad") == 0


def test_what_cant_travel_is_named_with_the_cells_that_read_and_bind_it(k: Kernel) -> None:
    before = int(k.run("len(In)").result)
    k.run("import pandas as pd\noutside = pd.DataFrame({'a': [1]})")
    k.run("def helper(): return len(outside)")
    done = k.run("%%step bad\nx = helper()", ok=False)
    assert f"`outside` (cell {before + 1}; bound in cell {before})" in done.text


def test_await_del_and_global_work(k: Kernel) -> None:
    k.run(
        "%%step odd\nimport asyncio\nawait asyncio.sleep(0)\nkept, gone = 1, 2\ndel gone\n"
        "def set_it():\n    global made\n    made = 5\nset_it()\nvalue = made"
    )
    assert k.run("kept, value, 'gone' in globals()").result == "(1, 5, False)"


def test_names_that_shadow_builtins_and_non_ascii_names_work(k: Kernel) -> None:
    k.run("%%step größe\nlist = [3]\nαβ = 'ü'")
    assert k.run("%%step lies\nn = list[0]\nαβ + str(n)").result == "'ü3'"


def test_an_object_changed_by_a_cell_that_is_no_step_is_named(k: Kernel) -> None:
    k.run("%%step load\nX = [1, 2]")
    k.run("X.append(3)")
    done = k.run("%%step use\nn = len(X)", ok=False)
    assert done.error == "CaptureError"
    assert "but a cell without %%step has changed it" in done.text
    k.run("%%step load\nX = [1, 2]")
    assert "X → n" in k.run("%%step use\nn = len(X)").text
    k.run("X = [9]")
    assert "assigned another object to it" in k.run("%%step more\nm = len(X)", ok=False).text


def test_what_cant_be_stored_is_said_stays_usable_and_runs_each_time(k: Kernel) -> None:
    cell = "%%step made\ngen = (i for i in [7])\nn = 1"
    assert "`gen` is not stored" in k.run(cell).text
    assert k.run("next(gen)").result == "7"
    assert "cached" not in k.run(cell).text
    refused = k.run("%%step other\nx = next(gen)", ok=False)
    assert "cannot be stored" in refused.text
    kept = k.run("%%step kept -o n\ngen = (i for i in [7])\nn = 1")
    assert "not stored" not in kept.text


def test_an_exception_shows_the_cell_s_own_lines_and_leaves_a_failed_run(k: Kernel) -> None:
    k.run("%%step load\nX = [1, 2]")
    done = k.run("%%step boom\ny = 1\ny / (X[0] - 1)", ok=False)
    assert done.error == "ZeroDivisionError"
    assert "calling.py" not in done.text
    assert "y / (X[0] - 1)" in done.text.replace("\x1b", "").replace("[39;49m", "") or "ZeroDivisionError" in done.text
    assert "failed" in k.run("%zen show latest boom").result
    assert "→ y" in k.run("%%step boom\ny = 1").text


def test_a_stop_ends_a_cell_at_once_and_is_recorded(k: Kernel) -> None:
    message = k.start("%%step long\nimport time\nprint('begun', flush=True)\ntime.sleep(60)")
    k.until(message, "begun")
    k.interrupt()
    done = k.finish(message)
    assert done.seconds < 1.5
    assert done.error == "KeyboardInterrupt"
    assert "cancelled" in k.run("%zen show latest long").result


def test_cells_run_one_after_another_are_one_run_and_running_one_again_opens_the_next(k: Kernel) -> None:
    k.run("%%step one\na = 1")
    k.run("%%step two\nb = a + 1")
    assert k.run("r = %zen runs\nlen(r), [*r[0].steps]").result == "(1, ['one', 'two'])"
    k.run("%%step two\nb = a + 2")
    assert k.run("r = %zen runs\nlen(r), {n: str(s.state) for n, s in r[0].steps.items()}").result == (
        "(2, {'one': 'cached', 'two': 'succeeded'})"
    )


def test_a_step_whose_input_changed_since_is_named(k: Kernel) -> None:
    k.run("%%step one\na = 1")
    k.run("%%step two\nb = a + 1")
    k.run("%%step one\na = 5")
    assert "step 'two' has not run since its input changed" in k.run("%%step three\nc = b + 1").text


def test_the_whole_notebook_runs_with_other_parameters_and_drop_takes_a_step_out(k: Kernel) -> None:
    k.run("C = 2")
    k.run("%%step load\nX = [1, 2, 3]")
    k.run(FIT)
    assert k.run("r = %zen run --param C=5\nr.steps['fit'].outputs['model'].load(), r.params").result == (
        "({'w': 30}, {'C': 5})"
    )
    assert "has no parameter 'c'" in k.run("%zen run --param c=5", ok=False).text
    k.run("%zen step drop fit")
    assert k.run("r = %zen run\nlist(r.steps)").result == "['load']"
    assert "Did you mean 'load'" in k.run("%zen step drop laod", ok=False).text


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        ("Path('a.csv')", "b.csv", "PosixPath('b.csv')"),
        ("(1, 2)", "'(3, 4)'", "(3, 4)"),
        ("float('inf')", "2.5", "2.5"),
        ("2.5", "inf", "inf"),
        ("float('nan')", "1", "1.0"),
        ("{'b': 1, 'a': (2, 3)}", "\"{'c': 3}\"", "{'c': 3}"),
        ("[1, (2, 3)]", "'[4]'", "[4]"),
    ],
)
def test_parameters_of_any_plain_type_are_changed_by_their_text(k: Kernel, default: str, text: str, value: str) -> None:
    k.run(f"from pathlib import Path\nPath('a.csv').touch(), Path('b.csv').touch()\nC = {default}")
    k.run("%%step fit\nvalues = [C]")
    assert k.run(f"r = %zen run --param C={text}\nr.steps['fit'].outputs['values'].load()[0]").result == value
    assert k.run("r.params['C']").result == value
