import base64
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from zenbook.core.states import StepState
from zenbook.display.run_graph_svg import drawn_edges, run_graph_svg
from zenbook.display.run_view import RunView, StepView
from zenbook.display.svg import data_uri
from zenbook.display.theme import COLOURS, SIGNS

SVG = "{http://www.w3.org/2000/svg}"


def run_of(names, edges=(), state=StepState.SUCCEEDED):
    steps = {name: StepView(name, state, 1, 10.0, 11.2) for name in names}
    return RunView("20261123-052055-k3f9a", "training", edges=tuple(edges), steps=steps)


def chain(count):
    names = [f"step-{at}" for at in range(count)]
    return names, list(pairwise(names))


ODD = [
    "<&\"'>",
    "]]>",
    "データを読む",
    "שלום",
    "e\u0301",
    "😀👩‍💻",
    "\x00\x1b[31m",
    "\ud800",
    "a\nb\tc",
    " ",
    "",
    "x" * 500,
]


def test_it_is_well_formed_for_any_name():
    root = ET.fromstring(run_graph_svg(run_of(ODD, [(ODD[0], ODD[1])])))
    assert len(root.findall(f"{SVG}g")) == len(ODD)
    titles = [node.findtext(f"{SVG}title") for node in root.findall(f"{SVG}g")]
    assert titles[0] is None, "its name is there in full"
    assert any("x" * 500 in (title or "") for title in titles), "the title has the full name"
    assert not any("x" * 60 in (node.text or "") for node in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("state", StepState)
def test_each_state_has_a_colour_a_sign_and_a_drawing(state):
    svg = run_graph_svg(run_of(["fit"], state=state))
    assert f'<use href="#{state}"' in svg
    assert f'<g id="{state}"' in svg
    assert state in SIGNS
    assert COLOURS[state] in svg
    ET.fromstring(svg)


def test_signs_differ():
    assert len(set(SIGNS.values())) == len(StepState)


def test_a_finished_step_shows_how_long_it_took_and_how_often_it_was_tried():
    run = run_of(["fit", "split"])
    run.steps["fit"].attempt = 3
    run.steps["split"].state = StepState.CACHED
    texts = [node.text for node in ET.fromstring(run_graph_svg(run)).iter(f"{SVG}text")]
    assert texts == ["fit", "1.2 s ×3", "split", "cached"]


def test_long_names_keep_their_ends_apart():
    run = run_of([f"train_a_model_with_many_words-{at}" for at in (12, 13)])
    texts = [node.text for node in ET.fromstring(run_graph_svg(run)).iter(f"{SVG}text")]
    assert texts[0] != texts[2]
    assert all("…" in item for item in (texts[0], texts[2]))
    assert texts[0].endswith("-12")


def test_a_long_run_stays_readable():
    width, height = map(float, re.search(r'width="(\S+)" height="(\S+)"', run_graph_svg(run_of(*chain(100)))).groups())
    assert width <= 900
    assert height <= 1300


def test_it_stands_alone():
    svg = run_graph_svg(run_of(*chain(8)))
    assert set(re.findall(r"https?://[^\"' ]+", svg)) == {"http://www.w3.org/2000/svg"}
    for word in ("<script", "<style", "foreignObject", "onload"):
        assert word not in svg


def test_a_run_without_steps_has_a_picture():
    assert "no steps" in "".join(ET.fromstring(run_graph_svg(run_of([]))).itertext())


def test_boxes_do_not_move_while_the_run_is_running():
    def boxes(state):
        root = ET.fromstring(run_graph_svg(run_of(*chain(5), state=state)))
        return [(node.get("x"), node.get("y"), node.get("width")) for node in root.iter(f"{SVG}rect")]

    assert boxes(StepState.PENDING) == boxes(StepState.FAILED) == boxes(StepState.CACHED)


def test_a_hairball_is_drawn_as_its_reduction():
    names = [f"s{at}" for at in range(30)]
    everything = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    assert drawn_edges(names, everything) == tuple(pairwise(names))
    few = everything[:80]
    assert drawn_edges(names, few) == tuple(few)


def test_the_reduction_keeps_every_path():
    chance = random.Random(3)
    names = [f"s{at}" for at in range(40)]
    edges = [(a, b) for at, a in enumerate(names) for b in names[at + 1 :] if chance.random() < 0.3]
    reduced = drawn_edges(names, edges)
    assert len(reduced) < len(edges)

    def reach(pairs):
        result = {name: set() for name in names}
        for name in reversed(names):
            for a, b in pairs:
                if a == name:
                    result[name] |= {b} | result[b]
        return result

    assert reach(reduced) == reach(edges)


def test_the_data_uri_holds_the_picture():
    svg = run_graph_svg(run_of(["データ"]))
    head, _, code = data_uri(svg).partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(code).decode() == svg
