"""Pipelines at random, as modules: odd names, values, texts, options and wirings. They read x.csv and y.csv."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

NASTY = [
    "it's",
    'a "quote"',
    "{{ 1 + 1 }}",
    "$(touch pwned)",
    "`touch pwned`",
    "line\nbreak",
    "☃ é",
    "\\",
    "%s {% raw %}",
    "{# x #}",
    "x.sh",
    "x.md",
    '"""',
    "",
]
TEXTS = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(
    ["load", "a b", "{{ x }}", "class", "os", "DAG", "Größe", "x.sh", "1st", "☃", "$(id)", "steps", "it's"]
) | st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = (
    PLAIN
    | st.lists(PLAIN, max_size=3)
    | st.tuples(PLAIN, PLAIN)
    | st.dictionaries(TEXTS, PLAIN, max_size=3)
    | st.dates()
    | st.sampled_from(["x.csv", "y.csv"]).map(lambda text: _Source(f"Path({text!r})"))
)
PARAMS = st.dictionaries(
    st.sampled_from(["rows", "lr", "text", "größe", "dag", "env", "params", "conf", "task_id", "run_id"]),
    VALUES,
    max_size=4,
)


class _Source:
    """A value as its source."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __repr__(self) -> str:
        return self.source


@st.composite
def modules(draw: st.DrawFn) -> str:
    """The text of a module with one pipeline, called ``wired``."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    params = draw(PARAMS)
    text = ["import datetime, hashlib", "from pathlib import Path", "from zenbook import pipeline, step", ""]
    text.append(f"SALT = {draw(TEXTS)!r}")
    for number, name in enumerate(names):
        text += [
            f"@step(name={name!r}, outputs=('one', 'two'), {draw(_options())})",
            f"def s{number}(*above, **named):",
            f"    {draw(TEXTS)!r}",
            "    seen = repr((above, sorted(named.items()), SALT))",
            f"    print({name!r}, named)",
            "    return hashlib.sha256(seen.encode()).hexdigest(), {'named': sorted(named), 'n': len(above)}",
            "",
        ]
    text += ["@pipeline", f"def wired({', '.join(f'{name}={value!r}' for name, value in params.items())}):"]
    text.append(f"    {draw(TEXTS)!r}")
    for number in range(len(names)):
        text.append(f"    x{number} = s{number}({', '.join(draw(_arguments(number, list(params))))})")
    return "\n".join(text) + "\n"


@st.composite
def _options(draw: st.DrawFn) -> str:
    retries, timeout = draw(st.integers(0, 3)), draw(st.sampled_from([None, "10m", 90.5]))
    return f"retries={retries}, retry_delay={draw(st.sampled_from([0, 1.5, 60]))}, timeout={timeout!r}"


@st.composite
def _arguments(draw: st.DrawFn, number: int, params: list[str]) -> list[str]:
    above = draw(st.lists(st.sampled_from(range(number)), unique=True)) if number else []
    inputs = [f"x{one}.{draw(st.sampled_from(['one', 'two']))}" for one in above]
    inputs = [f"[{', '.join(inputs)}]"] if draw(st.booleans()) and inputs else inputs
    own = draw(st.lists(st.sampled_from(params), unique=True)) if params else []
    return [*inputs, *(f"{one}={one}" for one in own)]


def drawn(count: int) -> list[str]:
    """As many different modules."""
    found: dict[str, Any] = {}

    @settings(max_examples=2 * count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(modules())
    def take(text: str) -> None:
        found[text] = None

    take()
    return list(found)[-count:]  # the first are the simplest
