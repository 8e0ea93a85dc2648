"""What a capsule does is what the live function does, whatever the notebook did before.

Each row is a list of cells that define `work`; the capsule, read back from JSON, must give what the call gives.
"""

# a table's row is a line
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.notebook import Notebook, opened
from zenbook.core.capsule import Capsule
from zenbook.engine.steps.capsule_loader import entry_of, loaded

WORK = "def work(): return {}"


@pytest.fixture
def notebook(workspace: Path) -> Iterator[Notebook]:
    with opened() as notebook:
        yield notebook


def result_of(capsule: Capsule) -> object:
    """What the capsule's function gives, from nothing but its JSON."""
    again = Capsule.from_json(capsule.to_json())
    with loaded(again) as main:
        return entry_of(again, main)()


FILES = {
    "one.py": "def helper():\n    return name()\n\ndef name():\n    return 'one'\n\nK = 1\n",
    "two.py": "def helper():\n    return name()\n\ndef name():\n    return 'two'\n\nK = 2\n",
    "fabric.py": "import logging\nlog = logging.getLogger(__name__)\nK = 5\ndef inner(x):\n    return x + K\n"
    "def make(n):\n    def made(x):\n        return inner(x) * n, log.name\n    return made\n",
    "deco.py": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return 2 * f(*a)\n    return inner\n"
    "class Times:\n    def __init__(self, n): self.n = n\n    def __call__(self, f):\n        n = self.n\n        @functools.wraps(f)\n"
    "        def inner(*a): return n * f(*a)\n        return inner\n",
    "state.py": "VALUES = []\ndef add(x):\n    VALUES.append(x)\n    return len(VALUES)\ncount = 0\ndef bump():\n    global count\n"
    "    count += 1\n    return count\n",
    "lazy.py": "_cache = None\ndef get():\n    global _cache\n    if _cache is None:\n        _cache = make()\n    return _cache\n"
    "def make():\n    return {'a': 1}\n",
    "pk/__init__.py": "from .a import f as g\nfrom .b import *\nVERSION = '1'\n",
    "pk/a.py": "import pk.c\nfrom . import b as bee\ndef f():\n    return bee.h() + pk.c.X\n",
    "pk/b.py": "__all__ = ['h']\ndef h():\n    return hidden()\ndef hidden():\n    return 1\n",
    "pk/c.py": "X = 10\nif X > 5:\n    def big(): return True\nelse:\n    def big(): return False\n",
    "formfeed.py": "A = 1\n\x0c\ndef f():\n    return 'x\x0cy', A\n",
    "semi.py": "A = 1; B = A + 1; C = [B]\ndef f(): return B, C\n",
    "withs.py": "import contextlib\nwith contextlib.suppress(ValueError):\n    VALUE = int('7')\nfor i in range(3):\n    LAST = i\ndef f(): return VALUE, LAST\n",
    "aug.py": "X = [1]\nX += [2]\nY = 1\nY += 1\ndef f(): return X, Y\n",
    "deleted.py": "tmp = 3\nA = tmp * 2\ndel tmp\ndef f(): return A\n",
    "unpack.py": "(A, *B), C = [1, 2, 3], 4\nD = E = 5\ndef f(): return A, B, C, D, E\n",
    "walrus.py": "A = [y := 5, y ** 2]\ndef f(): return A, y\n",
    "annotated.py": "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass D:\n    a: Missing = 3\n"
    "    b: 'D | None' = None\nX: int = 4\nY: str\ndef f(): return D().a, X\n",
    "abstract.py": "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\nclass B(A):\n    def m(self): return 1\n"
    "A.register(int)\ndef f(): return B().m(), isinstance(1, A)\n",
    "plugin.py": "REG = {}\nclass Base:\n    def __init_subclass__(cls, **k): REG[cls.__name__] = k\nclass One(Base, x=1): pass\n"
    "def f(): return REG\n",
    "dunder.py": "def __getattr__(name):\n    return 'dyn ' + name\ndef f(): return 1\n",
    "strings.py": 'def f():\n    def g():\n        return """a\n  b\n"""\n    return g()\n',
    "tryelse.py": "try:\n    import json as j\nexcept ImportError:\n    j = None\nelse:\n    OK = True\nfinally:\n    DONE = 1\ndef f(): return OK, DONE, j.dumps(1)\n",
    "kinds/__init__.py": "",
    "kinds/base.py": "KINDS = []\nclass Root:\n    def __init_subclass__(cls): KINDS.append(cls.__name__)\nclass Mid(Root): pass\ndef add(x): KINDS.append(x)\n",
    "kinds/extra.py": "from kinds import base as b\nclass Unread(b.Mid): pass\ndef helper(): return 1\n",
    "kinds/plugin.py": "from .base import add\nadd('plugin')\nnothing = None\n",
    "kinds/meta.py": "SEEN = []\nclass M(type):\n    def __init__(cls, *a): SEEN.append(cls.__name__)\nclass A(metaclass=M): pass\nclass B(A): pass\n",
    "typed.py": "import typing as t\nif t.TYPE_CHECKING:\n    from nowhere import Thing\ndef f(x: 'Thing' = None) -> 'Thing': return x\n",
}

SAME = {
    "two helpers of one name": ["import one, two", WORK.format("one.helper() + two.helper()")],
    "two helpers of one name by alias": [
        "from one import helper as h1\nfrom two import helper as h2",
        WORK.format("h1() + h2()"),
    ],
    "constants of one name": ["import one, two", WORK.format("one.K + two.K")],
    "notebook's helper named as a module's": ["import one\ndef helper(): return 'nb'", WORK.format("one.helper() + helper()")],
    "a global named as a builtin": ["max = 3\ndef len(x): return 99", WORK.format("len('a') + max")],
    "own name reused": ["def f(): return 1\ng = f\ndef f(): return g() + 1", WORK.format("f() * 10 + g()")],
    "own name reused in recursion": [
        "def f(n): return n\ng = f\ndef f(n): return g(n) if n < 2 else f(n - 1) + 1",
        WORK.format("f(4) * 10 + g(3)"),
    ],
    "alias": ["def f(): return f.__name__\ng = f", WORK.format("g() + f()")],
    "alias of a decorated function": ["import functools\n@functools.cache\ndef f(): return 1\ng = f", WORK.format("g() + f()")],
    "decorated recursion": [
        "def deco(f):\n    def inner(n): return f(n) + 1\n    return inner\n@deco\ndef fact(n): return 1 if n < 2 else n * fact(n - 1)",
        WORK.format("fact(5)"),
    ],
    "decorator rebound to the same name": [
        "def deco(f):\n    def inner(): return f() + 1\n    return inner\ndef f(): return 1\nf = deco(f)\nf = deco(f)",
        WORK.format("f()"),
    ],
    "wraps, by a call": [
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner\ndef f(): return 1\ng = deco(f)",
        WORK.format("g() * 10 + f(), g.__name__"),
    ],
    "wraps, by a call on a decorated function": [
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner\n@deco\ndef f(): return 1\ng = deco(f)",
        WORK.format("g() * 10 + f()"),
    ],
    "decorator that was redefined": [
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner\n@deco\ndef f(): return 1",
        "def deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 50\n    return inner",
        WORK.format("f()"),
    ],
    "decorator's argument that was rebound": [
        "import functools\nN = 2\ndef deco(n):\n    def wrap(f):\n        @functools.wraps(f)\n        def inner(): return f() * n\n        return inner\n"
        "    return wrap\n@deco(N)\ndef f(): return 1\nN = 7",
        WORK.format("f(), N"),
    ],
    "stacked decorators, some register": [
        "import functools\nREG = {}\ndef reg(f):\n    REG[f.__name__] = 1\n    return f\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n"
        "    return inner\n@deco\n@reg\n@deco\ndef f(): return 1\n@reg\n@deco\n@reg\ndef g(): return 1",
        WORK.format("f(), g(), sorted(REG)"),
    ],
    "decorator class": [
        "import functools\nclass Deco:\n    def __init__(self, n): self.n = n\n    def __call__(self, f):\n        n = self.n\n        @functools.wraps(f)\n"
        "        def inner(): return f() * n\n        return inner\n@Deco(3)\ndef f(): return 2",
        WORK.format("f()"),
    ],
    "module's decorators": ["from deco import twice, Times\n@twice\n@Times(3)\ndef f(): return 1\n@Times(5)\n@twice\ndef g(): return 1", WORK.format("f(), g()")],
    "module's decorator on work": ["import deco", "@deco.twice\ndef work(): return 4"],
    "lru_cache by a call": ["import functools\ndef f(x): return x + 1\ng = functools.lru_cache(maxsize=2)(f)", WORK.format("g(1), g.cache_parameters()")],
    "lru_cache over a wrapper": [
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner\n@functools.lru_cache\n@deco\ndef f(): return 1",
        WORK.format("f(), f.cache_info().hits"),
    ],
    "user's decorator that returns an lru_cache": ["import functools\ndef memo(f): return functools.lru_cache(None)(f)\n@memo\ndef f(): return 1", WORK.format("f()")],
    "contextmanager": ["import contextlib\n@contextlib.contextmanager\ndef cm():\n    yield 5", "def work():\n    with cm() as x:\n        return x"],
    "cached_property and total_ordering": [
        "import functools\n@functools.total_ordering\nclass V:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == o.n\n"
        "    def __lt__(self, o): return self.n < o.n\n    @functools.cached_property\n    def d(self): return self.n * 2\n"
        "    @functools.singledispatchmethod\n    def s(self, x): return 'o'\n    @s.register\n    def _(self, x: int): return 'i'",
        WORK.format("V(1) >= V(0), V(2).d, V(1).s(1), V(1).s('')"),
    ],
    "defaults that moved on": ["K = 1\ndef f(a=K, *, b=K + 1): return a, b\nK = 50", WORK.format("f(), K")],
    "defaults of equal text": ["it = iter([1, 2])\ndef f(a=next(it), b=next(it)): return a, b\ndel it", WORK.format("f()")],
    "default of a big name": ["import numpy as np\nbig = np.zeros(10**6)\ndef f(n=len(big)): return n\n", WORK.format("f()")],
    "default that is a function": ["def h(): return 3\ndef f(g=h): return g()\ndef h(): return 4", WORK.format("f() * 10 + h()")],
    "mutable default that was filled": ["def f(x, seen=[]):\n    seen.append(x)\n    return list(seen)\nf(1)", WORK.format("f(2)")],
    "lambdas in a loop": ["fs = [lambda x, k=k: x * k for k in range(3)]\ndel fs[0]", WORK.format("[f(2) for f in fs]")],
    "lambda in a lambda": ["f = lambda x: lambda x=x: x + 1", WORK.format("f(3)()")],
    "inner of a lambda": ["f = (lambda n: lambda x: x + n)(5)", WORK.format("f(3)")],
    "lambdas in a dict over lines": ["T = {\n  'a': lambda x: x,\n  'b': lambda x:\n      x * 2,\n}", WORK.format("T['b'](2), T['a'](3)")],
    "key functions": ["import operator\nby = operator.itemgetter(1)\nm = operator.methodcaller('upper')", WORK.format("max([(1, 2), (3, 0)], key=by), m('a')")],
    "closure of closures": ["def a(x):\n    def b(y):\n        def c(z): return x + y + z\n        return c\n    return b\nf = a(1)(2)", WORK.format("f(3)")],
    "closure over a function": ["def compose(*fs):\n    def run(x):\n        for f in fs: x = f(x)\n        return x\n    return run\ndef inc(x): return x + 1\ng = compose(inc, str, lambda s: s * 2)", WORK.format("g(1)")],
    "recursive closure": ["def make():\n    def f(n): return 1 if n < 2 else n * f(n - 1)\n    return f\nfact = make()", WORK.format("fact(5)")],
    "closures that share a list": ["def make():\n    seen = []\n    def add(x): seen.append(x)\n    def get(): return list(seen)\n    return add, get\nadd, get = make()", "def work():\n    add(1)\n    return get()"],
    "names that share a list": ["def make(l):\n    def add(x): l.append(x)\n    return add\nvalues = [1]\nadd = make(values)", "def work():\n    add(2)\n    return values"],
    "closure with an unset variable": ["def make():\n    def f(): return 1 if True else late\n    return f\n    late = 1\nf = make()", WORK.format("f()")],
    "counter": ["def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n        return n\n    return f\nf = make()\nf()", WORK.format("f()")],
    "module's closure": ["import fabric\nmade = fabric.make(3)", WORK.format("made(1)")],
    "module's closure beside the notebook's names": ["from fabric import make\nK = 'nb'\nmade = make(3)", WORK.format("made(1)")],
    "module's state": ["import state", WORK.format("state.add(1), state.add(2), state.bump(), state.bump()")],
    "module's lazy global": ["import lazy", WORK.format("lazy.get()")],
    "package": ["import pk", WORK.format("pk.g(), pk.h(), pk.VERSION, pk.c.big()")],
    "package's deep import": ["import pk.c as c\nfrom pk.a import f", WORK.format("c.X, f()")],
    "from module import *": ["from pk import *\nfrom one import *", WORK.format("g(), h(), helper(), K")],
    "star import of an installed package": ["from numpy import *", WORK.format("float(sqrt(4.0)), pi, float(linalg.norm([3, 4]))")],
    "form feeds": ["import formfeed", WORK.format("formfeed.f()")],
    "statements in one line": ["import semi", WORK.format("semi.f()")],
    "with and for in a module": ["import withs", WORK.format("withs.f()")],
    "augmented assignments in a module": ["import aug", WORK.format("aug.f()")],
    "deleted names in a module": ["import deleted", WORK.format("deleted.f()")],
    "unpacking in a module": ["import unpack", WORK.format("unpack.f()")],
    "walrus in a module": ["import walrus", WORK.format("walrus.f()")],
    "annotations in a module": ["import annotated", WORK.format("annotated.f(), annotated.D(2).a")],
    "abstract classes in a module": ["import abstract", WORK.format("abstract.f()")],
    "plugins in a module": ["import plugin", WORK.format("plugin.f()")],
    "module's __getattr__": ["import dunder", WORK.format("dunder.f(), dunder.anything")],
    "strings in a module": ["import strings", WORK.format("strings.f()")],
    "try, else, finally in a module": ["import tryelse", WORK.format("tryelse.f()")],
    "TYPE_CHECKING in a module": ["import typed", WORK.format("typed.f()")],
    "import in try": ["try:\n    import ujson_that_is_nowhere as j\nexcept ImportError:\n    import json as j", WORK.format("j.dumps([1])")],
    "conditional definition": ["import sys\nif sys.maxsize > 0:\n    def f(): return 'big'\nelse:\n    def f(): return 'small'", WORK.format("f()")],
    "conditional class": ["if True:\n    class C:\n        x = 1\nelse:\n    class C:\n        x = 2", WORK.format("C.x")],
    "helper defined again after": ["def f(): return 1", WORK.format("f()"), "def f(): return 2"],
    "class defined again": ["class C:\n    x = 1", "class C:\n    x = 2", WORK.format("C.x")],
    "class's first cell again": ["class C:\n    x = 1", "class C:\n    x = 2", "class C:\n    x = 1", WORK.format("C.x")],
    "dataclass's first cell again": [
        "from dataclasses import dataclass",
        "@dataclass\nclass C:\n    x: int = 1",
        "@dataclass(frozen=True)\nclass C:\n    x: int = 1",
        "@dataclass\nclass C:\n    x: int = 1",
        "def work():\n    c = C()\n    c.x = 2\n    return c.x",
    ],
    "mutual recursion": ["def a(n): return n and b(n - 1)\ndef b(n): return n and a(n - 1) + 1", WORK.format("a(5)")],
    "recursion": ["def work(n=5): return n and work(n - 1)"],
    "metaclass": ["class M(type):\n    def __call__(cls, *a): return [super().__call__(*a)]\nclass C(metaclass=M):\n    pass", WORK.format("len(C())")],
    "default_factory": ["from dataclasses import dataclass, field\ndef make(): return [1]\n@dataclass\nclass D:\n    x: list = field(default_factory=make)", WORK.format("D().x")],
    "dataclass constants": ["from dataclasses import dataclass\n@dataclass\nclass I:\n    a: int\n@dataclass(slots=True, frozen=True)\nclass D:\n    i: I\n    l: list\nd = D(I(1), [I(2)])", WORK.format("d.i.a, d.l[0].a, repr(d)")],
    "class body that calls helpers": ["def d(): return 1\ndef c(): return d()\ndef b(): return c()\nclass A:\n    x = b()", WORK.format("A.x")],
    "decorator that calls helpers": ["def n(): return m()\ndef m(): return 3\ndef deco(f):\n    k = n()\n    f.k = k\n    return f\n@deco\ndef g(): return g.k", WORK.format("g()")],
    "class attribute that was set later": ["class C:\n    x = 1\n    y = [x]\nC.x = 5", WORK.format("C.x, C.y")],
    "class attributes of a constant that moved": ["K = 1\nclass C:\n    x = K * 2\n    def m(self, k=K): return k\nK = 9", WORK.format("C.x, C().m(), K")],
    "dataclass default of a constant that moved": ["from dataclasses import dataclass\nK = 1\n@dataclass\nclass C:\n    x: int = K\nK = 9", WORK.format("C().x, K")],
    "enum of a constant that moved": ["import enum\nK = 1\nclass E(enum.Enum):\n    A = K\nK = 9", WORK.format("E.A.value, E(1).name")],
    "NamedTuple of a constant that moved": ["from typing import NamedTuple\nK = 1\nclass N(NamedTuple):\n    a: int = K\nK = 9", WORK.format("N().a")],
    "pydantic default of a constant that moved": ["import pydantic\nK = 1\nclass N(pydantic.BaseModel):\n    a: int = K\nK = 9", WORK.format("N().a")],
    "class list that was filled": ["class C:\n    seen = []\nC.seen.append(1)", WORK.format("C.seen")],
    "private attributes": ["class C:\n    __x = 1\n    def get(self): return self.__x\nclass _D:\n    __y = 2\n    def get(self): return self.__y", WORK.format("C().get(), _D().get()")],
    "super and __class__": ["class A:\n    def m(self): return 1\nclass B(A):\n    def m(self): return super().m() + 1, __class__.__name__", WORK.format("B().m()")],
    "slots": ["class C:\n    __slots__ = ('a',)\n    def __init__(self): self.a = 1", WORK.format("C().a")],
    "descriptors": ["class D:\n    def __set_name__(self, o, n): self.n = n\n    def __get__(self, i, o): return self.n\nclass C:\n    x = D()", WORK.format("C().x")],
    "generic classes": ["from typing import Generic, TypeVar\nT = TypeVar('T')\nclass C(Generic[T]):\n    def m(self, x: T) -> T: return x", WORK.format("C[int]().m(1)")],
    "protocols": ["from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass P(Protocol):\n    def m(self) -> int: ...\nclass C:\n    def m(self): return 1", WORK.format("isinstance(C(), P)")],
    "TypedDict": ["from typing import TypedDict\nclass T(TypedDict, total=False):\n    a: int", WORK.format("T(a=1)")],
    "exceptions": ["class E(ValueError):\n    def __str__(self): return 'mine'", "def work():\n    try:\n        raise E\n    except E as e:\n        return str(e)"],
    "inner classes": ["class A:\n    class B:\n        x = 1\n        class C: y = 2\n    b = B\nBee = A.B", WORK.format("A.B.x, A.B.C.y, A.b.x")],
    "class that names itself": ["class C:\n    def make(self): return C()\n    @classmethod\n    def also(cls): return C", WORK.format("type(C().make()).__name__, C.also().__name__")],
    "classes that name each other, annotations": [
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    b: B | None = None\n@dataclass\nclass B:\n    a: A | None = None",
        WORK.format("repr(A(B(A())))"),
    ],
    "classes that name each other": ["class A:\n    def b(self): return B\nclass B(A):\n    def a(self): return A", WORK.format("A().b().__name__ + B().a().__name__")],
    "annotation that can't travel": ["import pandas as pd\ndf = pd.DataFrame()", "def work(x: 'df' = None, y: 'nothing.at.all' = 1) -> 'df': return y"],
    "annotation, then a use": ["import math\nK = math", "def f(x: 'K.pi' = 1): return K.floor(1.5)", WORK.format("f()")],
    "types": ["from typing import Optional, Union, Callable, Literal\nV = Optional[int]\nW = dict[str, list[int]] | None\nL = Literal['a', 1]\nF = Callable[[int], str]", WORK.format("str(V), str(W), str(L), isinstance(1, int | str)")],
    "type alias of a class": ["class C: pass\nV = list[C]\nW = C | None", WORK.format("V.__args__[0].__name__, isinstance(C(), W)")],
    "NumPy constants": ["import numpy as np\nA = np.eye(2, dtype='f4')\nD = np.dtype('<i2')\nS = np.float32(0.1)\nN = np.nan\nU = np.array(['a', 'bc'])\nZ = np.zeros((0, 3))", WORK.format("A.tolist(), str(A.dtype), D, repr(S), N != N, U.tolist(), Z.shape")],
    "NumPy functions": ["import numpy as np\nfrom numpy import sum as total\nf = np.add\ng = np.mean\nT = np.float64", WORK.format("int(f(1, 2)), float(g([1, 3])), int(total([1, 2])), T(1)")],
    "NumPy vectorize": ["import numpy as np\n@np.vectorize\ndef f(x): return x + 1", WORK.format("f([1, 2]).tolist()")],
    "__name__": ["import logging\nlog = logging.getLogger(__name__)\ndef f(): return __name__, log.name", WORK.format("f()")],
    "exec in a function": ["def f():\n    space = {}\n    exec('x = 1', space)\n    return space['x']", WORK.format("f()")],
    "globals()": ["K = 3", WORK.format("(K, globals()['K'])")],
    "functional enum and flags": ["import enum\nE = enum.Enum('E', {'A': 1, 'b c': 2})\nclass F(enum.Flag):\n    A = enum.auto()\n    B = enum.auto()\nF3 = F.A | F.B\nbc = E['b c']", WORK.format("E.A.value, F3.value, bc.value")],
    "functional namedtuple": ["from collections import namedtuple\nP = namedtuple('P', 'x y')\np = P(1, 2)\nclass Q(namedtuple('Q', 'a')):\n    def d(self): return self.a * 2\nq = Q(3)", WORK.format("p, q.d(), P(3, 4)")],
    "dotted functions": ["class A:\n    def m(self): return 1\n    @staticmethod\n    def s(): return 2\n    @classmethod\n    def c(cls): return cls.__name__\nm, s, c = A.m, A.s, A.c", WORK.format("m(A()), s(), c()")],
    "methods of constants": ["t = {'a': 1}\nget = t.get\nup = 'abc'.upper\nimport re\nfind = re.compile('b').search\nfk = dict.fromkeys", WORK.format("get('a'), up(), find('abc').start(), fk('a')")],
    "partials": ["from functools import partial\nimport numpy as np\ndef f(a, b=1): return a + b\np = partial(partial(f, 2), b=3)\nq = partial(np.add, 1)\nr = partial(max, key=abs)", WORK.format("p(), int(q(2)), r([-3, 1])")],
    "constants of all kinds": [
        "import datetime as dt, decimal, fractions, uuid, zoneinfo, ipaddress, collections, types, pathlib\n"
        "C = [dt.datetime(2020, 1, 2, 3, tzinfo=dt.timezone.utc), dt.date(1, 1, 1), dt.timedelta(-1, 5), decimal.Decimal('1.10'), fractions.Fraction(1, 3), "
        "uuid.UUID(int=5), zoneinfo.ZoneInfo('Europe/Berlin'), ipaddress.ip_address('::1'), collections.OrderedDict(a=1), collections.Counter('ab'), "
        "collections.defaultdict(list, a=[1]), collections.deque([1], 3), types.SimpleNamespace(a=1), types.MappingProxyType({'a': 1}), range(1, 9, 2), "
        "slice(1, None), frozenset({1}), b'\\xff', 1e400, -0.0, complex(-0.0, 2), 10**30, 'ä\\u2028\\ud800', ..., NotImplemented, pathlib.PurePosixPath('a')]",
        WORK.format("repr(C)"),
    ],
    "an alias that looks like ours": ["import re\n_re = 5\nP = re.compile('a')", "def work(): return P.pattern"],
    "async": ["import asyncio\nasync def f(): return 1\nasync def g():\n    return [x async for x in h()]\nasync def h():\n    yield await f()", WORK.format("asyncio.run(g())") if False else "def work():\n    c = g()\n    try:\n        c.send(None)\n    except StopIteration as e:\n        return e.value"],
    "side-effect import": ["from sklearn.experimental import enable_iterative_imputer\nfrom sklearn.impute import IterativeImputer", WORK.format("IterativeImputer().max_iter")],
    "tabs": ["def f():\n\tif True:\n\t\tx = '''\n\ta'''\n\treturn x", WORK.format("f()")],
    "nested in if, indented strings": ["if True:\n    def f():\n        return '''a\n        b''', f'''{1}\n    c'''", WORK.format("f()")],
    "continuation lines": ["if True:\n        def f(a=(1,\n    2)): return [a,\n  3]", WORK.format("f()")],
    "decorated on many lines": ["import functools\n@functools.lru_cache(\n    maxsize=3,\n)\n# a comment\ndef f(): return 1", WORK.format("f(), f.cache_parameters()['maxsize']")],
    "positional-only and annotations": ["def f(a, /, b: int = 2, *args: int, c: str = 'c', **k: float) -> tuple: return a, b, args, c, k", WORK.format("f(1, 2, 3, c='d', e=1.0)")],
    "comprehension scopes": ["x = 'global'", "def work():\n    a = [x for x in range(2)]\n    return a, x"],
    "class scopes": ["x = 'global'\nclass C:\n    x = 'class'\n    def m(self): return x\n    y = [x for _ in range(1)]", WORK.format("C().m(), C.y")],
    "except name": ["e = 'global'", "def f():\n    try: 1 / 0\n    except ZeroDivisionError as err: pass\n    return e", WORK.format("f()")],
    "f-string nesting": ["w = 5\nv = 1.5", WORK.format("f'{v:{w}.2f} {v!r} {v=}'")],
    "global read declared": ["K = 1\ndef f():\n    global K\n    return K", WORK.format("f()")],
    "match": ["class P:\n    __match_args__ = ('x',)\n    def __init__(self, x): self.x = x\nK = P", "def work():\n    match P(2):\n        case K(x=1): return 'one'\n        case P(x): return x"],
    "subclass that nobody reads registers itself": ["import kinds.extra", WORK.format("sorted(kinds.base.KINDS), kinds.extra.helper()")],
    "module that registers itself": ["import kinds.base\nimport kinds.plugin", WORK.format("sorted(kinds.base.KINDS)")],
    "module that registers itself, imported from": ["import kinds.base\nfrom kinds.plugin import nothing", WORK.format("sorted(kinds.base.KINDS)")],
    "metaclass that registers": ["import kinds.meta", WORK.format("sorted(kinds.meta.SEEN)")],
    "edited module": ["import one", WORK.format("one.name()")],
}  # fmt: skip


@pytest.mark.parametrize("what", SAME, ids=lambda what: what.replace(" ", "-"))
def test_a_capsule_gives_what_the_live_function_gives(notebook: Notebook, what: str) -> None:
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    for cell in SAME[what]:
        notebook.cell(cell)
    capsule = notebook.capsule("work")
    assert repr(result_of(capsule)) == repr(notebook.cell("work()"))
    assert repr(result_of(capsule)) == repr(result_of(capsule))  # nothing is left behind by a call
