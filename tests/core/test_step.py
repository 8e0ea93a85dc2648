"""What can be a step, and its options."""

# a table's row is a line
from __future__ import annotations

import datetime
import functools
import inspect

import pytest

import zenbook
from zenbook import step
from zenbook.core.durations import seconds
from zenbook.core.graph import Retries
from zenbook.errors import DefinitionError


def test_a_step_looks_and_behaves_as_its_function() -> None:
    @step
    def double(x: int, /, *, k: int = 2) -> int:
        """Twice."""
        return x * k

    assert double(3) == 6
    assert double(3, k=3) == 9
    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    assert str(inspect.signature(double)) == str(inspect.signature(double.function))
    assert repr(double).startswith("<step double(")


def test_options_in_the_decorator_and_later_make_new_steps() -> None:
    @step(retries=2, retry_delay="30s", timeout="10m", cache=False, outputs=("a", "b"), name="other")
    def f():
        return 1, 2

    assert (f.name, f.outputs) == ("other", ("a", "b"))
    assert f.options_.retries == Retries(2, 30.0)
    assert (f.options_.timeout, f.options_.cache) == (600.0, False)
    g = f.options(retries=0, timeout=None, outputs="c")
    assert (g.options_.retries.count, g.options_.timeout, g.outputs, g.name) == (0, None, ("c",), "other")
    assert f.options_.retries.count == 2
    assert f() == g() == (1, 2)


def test_a_step_of_a_step_is_that_step() -> None:
    f = step(len)
    assert step(f) is f


@pytest.mark.parametrize(
    ("text", "expected"),
    [(5, 5.0), (0.5, 0.5), ("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("2 min", 120.0), ("250ms", 0.25),
     ("1d", 86400.0), ("15", 15.0), ("1H 5S", 3605.0), (datetime.timedelta(minutes=1), 60.0)],
)  # fmt: skip
def test_durations(text: object, expected: float) -> None:
    assert seconds(text, "timeout", "f") == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "10x", "5 5", -1, "-1s", "1h30", True, None, float("inf"), float("nan"), [], "s", "1,5s", "1e3s"],
)
def test_a_value_that_is_not_a_duration_is_refused(text: object) -> None:
    with pytest.raises(DefinitionError, match="timeout of step 'f'"):
        seconds(text, "timeout", "f")


OPTIONS = [
    ({"retires": 2}, "'retires'", "retries"),
    ({"timout": "1s"}, "'timout'", "timeout"),
    ({"retries": -1}, "retries", "0, 1, 2"),
    ({"retries": True}, "retries", "0, 1, 2"),
    ({"retries": "2"}, "retries", "0, 1, 2"),
    ({"timeout": 0}, "timeout", "above 0"),
    ({"timeout": "soon"}, "timeout", "90s"),
    ({"retry_delay": "x"}, "retry_delay", "90s"),
    ({"name": ""}, "have the name", "characters"),
    ({"name": "a\nb"}, "have the name", "characters"),
    ({"name": "a" * 101}, "have the name", "100"),
    ({"name": 3}, "have the name", "characters"),
    ({"outputs": ()}, "outputs", "name"),
    ({"outputs": ("a", "a")}, "outputs", "name"),
    ({"outputs": "not one"}, "output", "identifier"),
    ({"outputs": (1,)}, "output", "identifier"),
    ({"outputs": "a" * 65}, "output", "64"),
]


@pytest.mark.parametrize(
    ("options", "says", "hint"), OPTIONS, ids=lambda one: str(one)[:30] if isinstance(one, dict) else ""
)
@pytest.mark.parametrize("way", ["decorator", "options"])
def test_a_wrong_option_is_named(options: dict[str, object], says: str, hint: str, way: str) -> None:
    def f(): ...

    with pytest.raises(DefinitionError) as caught:
        step(**options)(f) if way == "decorator" else step(f).options(**options)
    assert says in caught.value.message
    assert hint in str(caught.value)


def rows():
    yield 1


async def more_rows():
    yield 1


class Holder:
    @staticmethod
    def static(): ...


@pytest.mark.parametrize(
    ("value", "says"),
    [(rows, "generator"), (more_rows, "generator"), (3, "int"), ("fit", "str"), (vars(Holder)["static"], "static")],
    ids=["generator", "async generator", "number", "text", "static method"],
)
def test_what_cannot_be_a_step(value: object, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        step(value)


def test_other_callables_can_be_steps() -> None:
    assert step(len).name == "len"
    assert step(lambda x: x).name == "step"
    assert step(functools.wraps(len)(lambda x: 7))([1]) == 7
    assert step(Holder.static).name == "static"


def test_an_async_step_is_a_coroutine_function_when_called_alone() -> None:
    @step
    async def f() -> int:
        return 1

    made = f()
    assert inspect.iscoroutine(made)
    made.close()


def test_two_outputs_of_one_name_are_refused_when_they_are_asked_for() -> None:
    from typing import Annotated

    def f() -> tuple[Annotated[int, "a"], Annotated[int, "a"]]: ...

    f.__annotations__["return"] = tuple[Annotated[int, "a"], Annotated[int, "a"]]
    with pytest.raises(DefinitionError, match="the same name"):
        _ = step(f).outputs


def test_non_ascii_names_are_names() -> None:
    @step(outputs="größe")
    def prüfen(): ...

    assert (prüfen.name, prüfen.outputs) == ("prüfen", ("größe",))


def test_the_public_step_is_this_one() -> None:
    assert zenbook.step is step
