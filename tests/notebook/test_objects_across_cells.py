"""What later cells see of objects that cells share, of figures, and of what only cells below have made."""

from __future__ import annotations

from tests.notebook.kernels import Kernel

CELLS = (
    "%%step make\na = {'n': 0}\nboth = [a, 1]\nalone = {'n': 0}",
    "%%step change\nboth[0]['n'] += 1\nalone['n'] += 1",
    "%%step look\nseen = (a['n'], both[0]['n'], alone['n'])",
)


def test_what_a_cell_changes_in_one_object_it_changes_in_those_that_share_it(k: Kernel) -> None:
    for cell in CELLS:
        k.run(cell)
    assert k.run("seen, a is both[0]").result == "((1, 1, 1), True)"
    for cell in CELLS:
        assert "cached" in k.run(cell).text
    assert k.run("seen, a is both[0]").result == "((1, 1, 1), True)"


def test_the_whole_notebook_run_changes_shared_objects_as_the_cells_did(k: Kernel) -> None:
    for cell in CELLS:
        k.run(cell)
    assert k.run("r = %zen run --no-cache\nr.steps['look'].outputs['seen'].load()").result == "(1, 1, 1)"


def test_a_name_that_the_user_has_bound_again_is_no_longer_shared(k: Kernel) -> None:
    k.run(CELLS[0])
    k.run("a = 'mine'")
    k.run(CELLS[1])
    assert k.run("a, both").result == "('mine', [{'n': 1}, 1])"


def test_a_function_that_reads_what_a_later_cell_makes_stays_cached(k: Kernel) -> None:
    cells = (
        "%%step helper\ndef area(r):\n    return math.pi * r * factor\nready = True",
        "%%step later\nimport math\nfactor = 2 if ready else 3",
        "%%step use\nx = area(1.0)",
    )
    for cell in cells:
        k.run(cell)
    for cell in cells:
        assert "cached" in k.run(cell).text
    assert k.run("round(x, 2)").result == "6.28"


def test_a_function_that_reads_what_its_caller_s_cell_imports_stays_cached(k: Kernel) -> None:
    cells = (
        "%%step helper\ndef area(r):\n    return math.pi * r\nready = True",
        "%%step use\nimport math\nx = area(1.0) if ready else math.e",
    )
    for cell in cells:
        k.run(cell)
    for cell in cells:
        assert "cached" in k.run(cell).text
    assert k.run("round(x, 2)").result == "3.14"


def test_a_cell_does_not_draw_on_the_figure_of_another_cell(k: Kernel) -> None:
    k.run("import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt; mine = plt.figure()")
    k.run("%%step one\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\nopened = len(plt.get_fignums())")
    k.run("%%step two\nimport matplotlib.pyplot as plt\nlines = len(plt.gca().lines)")
    assert k.run("opened, lines, plt.gcf() is mine, plt.get_fignums()").result == "(1, 0, True, [1])"
