"""The canonical form is the same on every Python that is installed, and blind to layout only."""

# a table's row is a line
from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import OTHER_KIND
from zenbook.core.canonical import _SKIPPED, canonical_source

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
ROOT = Path(__file__).parent.parent.parent
SAMPLE = 250  # files; all 14,000 of this machine were tried by hand

DIGESTS = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from zenbook.core import canonical
import warnings; warnings.simplefilter("ignore")
found = {}
for path in json.load(sys.stdin):
    try:
        text = open(path, encoding="utf-8").read()
        found[path] = hashlib.sha256(canonical.canonical_source(text).encode()).hexdigest()
    except (SyntaxError, UnicodeDecodeError, ValueError, OSError):
        found[path] = None
print(json.dumps([sys.version_info[:2], found]))
"""


def interpreters() -> dict[str, str]:
    """The Pythons of this machine, by version."""
    found = {}
    pyenv = Path.home() / ".pyenv" / "versions"
    for version in VERSIONS:
        ours = [str(one) for one in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        for path in [*ours, shutil.which(f"python{version}")]:
            if path and says_version(path, version):
                found[version] = path
                break
    return found


def says_version(path: str, version: str) -> bool:
    done = subprocess.run([path, "-I", "-V"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and f"Python {version}." in done.stdout


def digests(path: str, files: list[str]) -> dict[str, str | None]:
    command = [path, "-I", "-B", "-c", DIGESTS, str(ROOT)]
    done = subprocess.run(command, input=json.dumps(files), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[1]


@pytest.fixture(scope="module")
def sample() -> list[str]:
    """Real files of the standard library and of what is installed, and those that are meant to be hard."""
    roots = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]
    files = sorted({str(one) for root in roots for one in Path(root).rglob("*.py") if "lib2to3/tests" not in str(one)})
    hard = [
        one
        for one in files
        if re.search(r"/test_(fstring|grammar|patma|unicode_identifiers|string_literals|syntax)\.py$", one)
    ]
    return [*hard, *files[:: max(1, len(files) // SAMPLE)]]


@pytest.fixture(scope="module")
def here(sample: list[str]) -> dict[str, str | None]:
    return digests(sys.executable, sample)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_gives_the_same_form(version: str, sample: list[str], here: dict[str, str | None]) -> None:
    path = interpreters().get(version)
    if path is None:
        pytest.skip(f"{OTHER_KIND} Python {version} is not installed")
    there = digests(path, sample)
    both = [file for file in sample if here[file] and there[file]]
    assert len(both) > 0.9 * len(sample)
    assert [file for file in both if here[file] != there[file]] == []


SAME = [
    ("x = 1  # why", "x = 1"),
    ("def f():\n\n    return 1", "def f():\n  return 1"),
    ("x = 'a'", 'x = "a"'),
    ("x = 'a' 'b'", "x = 'ab'"),
    ("x = (1,\n 2)", "x = 1, 2"),
    ("x = 1_000", "x = 0x3e8"),
    ("x = f'{a}' 'b' f'c{d}'", 'x = f"{a}bc{d}"'),
    ("x = r'\\n'", "x = '\\\\n'"),
    ("x = u'a'", "x = 'a'"),
    ("x = (yield_)", "x = yield_"),
    ("x = '\\u00e4'", "x = 'ä'"),
    ("if a:\n  b\nelse:\n  if c:\n    d", "if a:\n  b\nelif c:\n  d"),
]
DIFFERENT = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 'a'", "x = b'a'"),
    ("x = None", "x = 'None'"),
    ("x = 0.0", "x = -0.0"),
    ("x = 'a'", "x = 'á'"),
    ("x = f'{a}'", "x = f'{a!r}'"),
    ("x = f'{a:2}'", "x = f'{a:3}'"),
    ("x = f'{a}'", "x = a"),
    ("x = f'a'", "x = 'a'"),
    ("x = f'{a=}'", "x = f'{a = }'"),
    ("def f(a, /): pass", "def f(a): pass"),
    ("def f(*, a): pass", "def f(a): pass"),
    ("def f(): 'doc'", "def f(): 'other'"),
    ("def f(a: int): pass", "def f(a): pass"),
    ("async def f(): pass", "def f(): pass"),
    ("a.b", "a['b']"),
    ("{**a}", "{a: a}"),
    ("[a, b]", "(a, b)"),
    ("x: int", "x: int = 1"),
    ("import a.b", "import a"),
    ("from . import a", "from .. import a"),
    ("a = b = 1", "a = 1; b = 1"),
    ("try:\n a\nexcept* E:\n b", "try:\n a\nexcept E:\n b"),
    ("[x for x in y if a if b]", "[x for x in y if a and b]"),
    ("'\\ud800'", "'\\ud801'"),
    ("(1, 2)", "(12,)"),
    ("f(a, *b)", "f(*b, a)"),
    ("f(a=1, b=2)", "f(b=2, a=1)"),
    ("match x:\n case {'a': 1}: pass", "match x:\n case {'a': 1, **r}: pass"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_layout_does_not_count(one: str, other: str) -> None:
    assert canonical_source(one) == canonical_source(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_all_else_counts(one: str, other: str) -> None:
    assert canonical_source(one) != canonical_source(other)


def test_a_deep_expression_has_a_form() -> None:
    assert canonical_source("x = " + " + ".join(["1"] * 900)) != canonical_source("x = " + " + ".join(["1"] * 901))


def test_every_field_of_the_syntax_counts() -> None:
    """A field that a future Python adds must not be dropped unseen: only known ones are."""
    assert {"ctx", "kind", "type_comment", "type_ignores"} == _SKIPPED
    assert {"ctx", "kind", "type_comment"} <= {
        field for one in vars(ast).values() if isinstance(one, type) for field in getattr(one, "_fields", ())
    }
