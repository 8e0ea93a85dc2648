"""From a pipeline's function to its graph, and every mistake with the line that it was made in."""

# a table's row is a line
from __future__ import annotations

import collections
from typing import Annotated, Any, NamedTuple

import pytest

from zenbook import pipeline, step
from zenbook.core.graph import Graph, Input, OutputRef
from zenbook.errors import WiringError


@step
def load(rows: int = 5) -> list:
    return list(range(rows))


@step(outputs=("train", "test"))
def split(data, share: float = 0.5):
    return data, data


@step
def fit(data, *, lr: float = 0.1, **options):
    return lr


@step
def join(first, /, *more, sep: str = ","):
    return first


class Both(NamedTuple):
    left: int
    right: int


@step
def both(x=None) -> Both:
    return Both(1, 2)


@step
def three() -> tuple[Annotated[int, "a"], int, Annotated[str, "c"]]:
    return 1, 2, "3"


def graph_of(function: Any, *args: Any, **kwargs: Any) -> Graph:
    return pipeline(function).trace(*args, **kwargs).graph


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph]


def test_a_step_outside_of_a_pipeline_is_the_plain_function() -> None:
    assert load(3) == [0, 1, 2]
    assert load.__name__ == "load"


def test_edges_follow_the_outputs() -> None:
    def flow(rows=7):
        train, test = split(load(rows), share=0.2)
        fit(train, lr=0.3)
        fit(test)

    graph = graph_of(flow)
    assert names(graph) == ["load", "split", "fit", "fit_2"]
    assert graph["split"].inputs == {"data": Input((OutputRef("load", "output"),))}
    assert graph["fit_2"].inputs == {"data": Input((OutputRef("split", "test"),))}
    assert graph["fit"].params == {"lr": 0.3, "options": {}}
    assert graph["load"].params == {"rows": 7}
    assert graph.edges == (("load", "split"), ("split", "fit"), ("split", "fit_2"))


def test_names_stay_unique_and_stable() -> None:
    def flow():
        for _ in range(3):
            load()
        load.options(name="load_2")()

    assert names(graph_of(flow)) == ["load", "load_2", "load_3", "load_2_2"]


def test_loops_literals_and_conditions_work_in_a_pipeline() -> None:
    def flow(models=("a", "b"), big=True):
        data = load()
        made = {name: fit(data, kind=name) for name in models}
        if big:
            join(made["a"], made["b"], {"x": made["a"], "y": [made["b"], 1]}, sep="-")

    graph = graph_of(flow)
    assert names(graph) == ["load", "fit", "fit_2", "join"]
    assert graph["join"].arguments["first"] == {"$input": "first"}
    assert set(graph["join"].inputs) == {"first", "more[0]", "more[1]['x']", "more[1]['y'][0]"}
    assert graph["join"].upstream == ("fit", "fit_2")
    assert graph["fit_2"].arguments["options"] == {"kind": "b"}


def test_outputs_in_keyword_arguments_are_edges() -> None:
    graph = graph_of(lambda: fit(load(), extra=load(2), other=[load(3)]))
    assert graph["fit"].upstream == ("load", "load_2", "load_3")


def test_named_outputs_by_annotation_and_by_name() -> None:
    def flow():
        pair = both()
        join(pair.left, pair[1])
        a, b, c = three()
        join(a, b, c)
        join(three().c)

    graph = graph_of(flow)
    assert graph["both"].outputs == ("left", "right")
    assert graph["three"].outputs == ("a", "output_1", "c")
    assert graph["join"].inputs["more[0]"].sources == (OutputRef("both", "right"),)
    assert graph["join_3"].inputs["first"].sources == (OutputRef("three_2", "c"),)


def test_all_outputs_passed_at_once_are_a_tuple() -> None:
    graph = graph_of(lambda: fit(split(load())))
    assert graph["fit"].arguments["data"] == {"$tuple": [{"$input": "data[0]"}, {"$input": "data[1]"}]}


def test_a_pipeline_in_a_pipeline_joins_it() -> None:
    @pipeline
    def inner(n):
        return fit(load(n))

    graph = graph_of(lambda: [join(inner(1)), join(inner(2))])
    assert names(graph) == ["load", "fit", "join", "load_2", "fit_2", "join_2"]


def test_an_object_that_is_passed_in_becomes_an_input_and_the_same_object_one() -> None:
    first, second = object(), object()

    def flow(x, y):
        fit(x)
        fit(y)
        fit(x)

    traced = pipeline(flow).trace(first, second)
    given = [traced.external_inputs[node.inputs["data"].external_input] for node in traced.graph]
    assert given == [first, second, first]
    assert len(traced.external_inputs) == 2


def test_objects_in_star_arguments_are_inputs() -> None:
    one, two = object(), object()
    traced = pipeline(lambda: [join(1, one), fit(1, extra=two)]).trace()
    assert traced.external_inputs[traced.graph["join"].inputs["more"].external_input] == (one,)
    assert traced.external_inputs[traced.graph["fit"].inputs["options"].external_input] == {"extra": two}


def test_after_orders_steps_without_passing_anything() -> None:
    def flow():
        first = load()
        pair = split([1])
        fit.options(after=[first, pair])(0)

    assert graph_of(flow)["fit"].after == ("load", "split")


def test_the_same_call_gives_the_same_graph() -> None:
    def flow(n=3):
        return [fit(load(i)) for i in range(n)]

    assert graph_of(flow) == graph_of(flow)


# --- mistakes --------------------------------------------------------------------------------------------------------


def bad_argument():
    load(row=1)  # HERE


def missing_argument():
    fit()  # HERE


def surplus_argument():
    load(1, 2)  # HERE


def wrong_type():
    load("three")  # HERE


def bool_for_a_number():
    fit(1, lr=True)  # HERE


def too_many_names():
    a, b, c = split(1)  # HERE


def too_few_names():
    (a,) = split(1)  # HERE


def unpacks_one():
    a, b = load()  # HERE


def loops_over():
    for one in load():  # HERE
        fit(one)


def unknown_output():
    fit(split(1).trian)  # HERE


def as_condition():
    if load():  # HERE
        fit(1)


def as_bool_operand():
    return load() and fit(1)  # HERE


def arithmetic():
    fit(load() + 1)  # HERE


def reversed_arithmetic():
    fit(2 * load())  # HERE


def compared():
    fit(load() > 1)  # HERE


def equal():
    fit(load() == 1)  # HERE


def unequal():
    fit(load() != 1)  # HERE


def indexed():
    fit(load()[0])  # HERE


def attribute():
    fit(load().shape)  # HERE


def method():
    fit(load().mean())  # HERE


def called():
    fit(load()())  # HERE


def length():
    fit(len(load()))  # HERE


def number():
    fit(float(load()))  # HERE


def rounded():
    fit(round(load()))  # HERE


def member():
    fit(1 in load())  # HERE


def in_range():
    for _ in range(load()):  # HERE
        pass


def in_a_text():
    fit(f"{load():.2f}")  # HERE


def shown():
    fit(str(load()))  # HERE


def starred():
    join(*load())  # HERE


def double_starred():
    fit(1, **load())  # HERE


def negative():
    fit(-load())  # HERE


def shifted():
    fit(load() << 1)  # HERE


def divmod_of():
    fit(divmod(load(), 2))  # HERE


def bool_or():
    fit(load() | 1)  # HERE


def reversed_matmul():
    fit([1] @ load())  # HERE


def passes_a_function():
    fit(len.__class__ and graph_of)  # HERE


def passes_a_step():
    fit(load)  # HERE


def after_a_value():
    fit.options(after=3)(1)  # HERE


def helper_of_the_pipeline(x):
    return x + 1


def in_a_helper():
    helper_of_the_pipeline(load())  # HERE


kept: list[Any] = []


def of_another_trace():
    fit(kept[0])  # HERE


MISTAKES = [
    (bad_argument, "no argument 'row'", "rows"), (missing_argument, "missing", "fit("), (surplus_argument, "too many", "load("),
    (wrong_type, "int", "type"), (bool_for_a_number, "float", "type"), (too_many_names, "different number of outputs", "Name"),
    (too_few_names, "different number of outputs", "Name"), (unpacks_one, "one output", "outputs="), (loops_over, "one output", "loop"),
    (unknown_output, "'trian'", "train"), (as_condition, "condition", "inside a step"), (as_bool_operand, "condition", "inside a step"),
    (arithmetic, "value", "inside"), (reversed_arithmetic, "value", "inside"), (compared, "value", "inside"), (equal, "compared", "inside"),
    (unequal, "value", "inside"), (indexed, "indexed", "inside"), (attribute, ".shape", "inside"), (method, ".mean", "inside"), (called, "called", "inside"),
    (length, "length", "inside"), (number, "number", "inside"), (rounded, "value", "inside"), (member, "value", "inside"),
    (in_range, "number", "inside"), (in_a_text, "text", "inside"), (shown, "text", "inside"), (starred, "one output", "loop"),
    (double_starred, ".keys", "inside"), (negative, "value", "inside"), (shifted, "value", "inside"), (divmod_of, "value", "inside"),
    (bool_or, "value", "inside"), (reversed_matmul, "value", "inside"), (passes_a_function, "function `graph_of`", "by its name"),
    (passes_a_step, "function `load`", "by its name"), (after_a_value, "`after`", "step returned"), (in_a_helper, "value", "inside"),
    (of_another_trace, "another call of a pipeline", "globals"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "says", "hint"), MISTAKES, ids=[one[0].__name__ for one in MISTAKES])
def test_a_wiring_mistake_names_the_pipelines_line(flow: Any, says: str, hint: str) -> None:
    kept.clear()
    pipeline(lambda: kept.append(load())).trace()
    with pytest.raises(WiringError) as caught:
        graph_of(flow)
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert f"pipeline {flow.__name__!r}" in caught.value.message
    assert "# HERE" in caught.value.message


def test_an_unknown_argument_of_the_pipeline_is_named() -> None:
    with pytest.raises(WiringError, match="no argument 'row'"):
        graph_of(lambda rows=1: load(rows), row=2)


def test_a_pipeline_without_steps_is_refused() -> None:
    with pytest.raises(WiringError, match="no steps"):
        graph_of(lambda: None)


def test_an_error_of_the_pipelines_own_code_passes_through() -> None:
    def flow():
        load()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        graph_of(flow)

    def unpacks_its_own():
        load()
        a, b = [1]

    with pytest.raises((ValueError, WiringError)):
        graph_of(unpacks_its_own)


def test_a_trace_that_failed_leaves_nothing_behind() -> None:
    with pytest.raises(WiringError):
        graph_of(arithmetic)
    assert load(2) == [0, 1]


def test_an_output_can_be_looked_at_without_a_value() -> None:
    found: dict[str, Any] = collections.defaultdict(list)

    def flow():
        out = load()
        found["repr"] = repr(out)
        assert {out: 1}[out] == 1
        assert out is not None

    graph_of(flow)
    assert "not computed yet" in found["repr"]
