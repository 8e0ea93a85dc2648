import datetime as dt
import html.parser
import subprocess
import sys
import time

import pytest

from zenbook.core.states import RunState
from zenbook.display.table import Table, cell_text, cut, duration, moment, number, one_line, width


@pytest.fixture
def runs():
    return Table(
        "Runs",
        ("run", "state", "accuracy", "took", "started"),
        (
            ("20261123-052055-k3f9a", RunState.SUCCEEDED, 0.956140351, dt.timedelta(seconds=1.23), moment(0.0)),
            ("x", RunState.FAILED, None, dt.timedelta(seconds=185), None),
        ),
    )


@pytest.fixture
def vienna(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_text_is_aligned_and_numbers_stand_right(runs, vienna):
    assert repr(runs).splitlines() == [
        "Runs",
        "run                    state      accuracy        took  started",
        "20261123-052055-k3f9a  succeeded    0.9561       1.2 s  1970-01-01 01:00:00",
        "x                      failed               3 min 05 s",
    ]


def test_wide_characters_take_two_columns():
    lines = repr(Table("", ("name", "n"), (("データ", 1), ("abc", 22)))).splitlines()
    assert [width(line) for line in lines[1:]] == [10, 10]
    assert width("e\u0301") == 1


def test_a_table_without_rows_says_so():
    empty = Table("Runs", ("run",), (), "(no runs yet)")
    assert repr(empty) == "Runs\n(no runs yet)"
    assert "(no runs yet)" in empty._repr_html_()
    assert list(empty.df().columns) == ["run"]


def test_rows_are_dicts_columns_are_lists_slices_are_tables(runs):
    assert len(runs) == 2
    assert [row["run"] for row in runs] == runs["run"] == ["20261123-052055-k3f9a", "x"]
    assert runs[-1]["state"] is RunState.FAILED
    assert len(runs[:1]) == 1
    with pytest.raises(KeyError):
        runs["acuracy"]
    with pytest.raises(IndexError):
        runs[7]


def test_a_data_frame_has_the_values_as_they_are(runs):
    frame = runs.df()
    assert frame.shape == (2, 5)
    assert frame.accuracy[0] == 0.956140351


def test_html_is_escaped_and_the_title_of_a_cut_cell_holds_all_of_it():
    shown_html = Table("<t>", ("a&b",), (("<script>" + "x" * 100,),))._repr_html_()
    assert "<script>" not in shown_html
    assert "&lt;script&gt;" in shown_html
    assert "x" * 100 in shown_html
    assert "…" in shown_html
    html.parser.HTMLParser().feed(shown_html)


def test_long_cells_and_line_ends_are_cut():
    lines = repr(Table("", ("a", "b"), (("x" * 200, "one\ntwo\x1b[31m"),))).splitlines()
    assert len(lines) == 2
    assert len(lines[1]) < 90
    assert "\x1b" not in lines[1]
    assert cut("データデータ", 5) == "デー…"
    assert one_line("a\r\n  b") == "a ⏎ b"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 ms"),
        (0.0004, "0.4 ms"),
        (0.012, "12 ms"),
        (0.99951, "1.0 s"),
        (1.2, "1.2 s"),
        (9.96, "10 s"),
        (42, "42 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7500, "2 h 05 min"),
        (86399, "1 d 00 h"),
        (97200, "1 d 03 h"),
        (-3, "0.0 ms"),
    ],
)
def test_durations_for_people(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.123456, "0.1235"), (123456.7, "123457"), (1e-9, "1e-09"), (float("nan"), "nan"), (float("-inf"), "-inf")],
)
def test_numbers_for_people(value, words):
    assert number(value) == words


def test_other_cells():
    assert [cell_text(item) for item in (None, True, 12345678, RunState.FAILED)] == ["", "yes", "12345678", "failed"]


def test_pandas_is_not_imported_before_it_is_needed():
    code = (
        "import sys; from zenbook.display.table import Table; repr(Table('', 'a', ((1,),))); "
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
