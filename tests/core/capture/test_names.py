"""Which names code binds and reads: by cases, and against the compiler's own symbol tables on real files."""

# a table's row is a line
from __future__ import annotations

import ast
import builtins
import symtable
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import OTHER_KIND
from zenbook.core.capture.names import Names, names_of


def names(code: str, *, future: bool = False) -> Names:
    return names_of(ast.parse(code).body, future_annotations=future)


def roots(chains: set[tuple[str, ...]]) -> set[str]:
    return {chain[0] for chain in chains}


# code, names it binds, names it reads from outside at once, names that its functions read
CASES = {
    "assignment": ("a = b", "a", "b", ""),
    "own name first": ("a = 1\nb = a", "a b", "", ""),
    "read before it is bound": ("b = a\na = 1", "a b", "a", ""),
    "augmented": ("a += 1", "a", "a", ""),
    "comprehension": ("[x for x in y if x in z]", "", "y z", ""),
    "nested comprehension": ("[[x + w for x in row] for row in y]", "", "w y", ""),
    "comprehension's second loop": ("[x for a in b for x in a]", "", "b", ""),
    "comprehension's first iterable is outside": ("x = 1\n[x for x in x]", "x", "", ""),
    "dict comprehension": ("{k: v for k, v in p.items()}", "", "p", ""),
    "generator": ("g = (x for x in y)", "g", "y", ""),
    "walrus": ("(a := b)", "a", "b", ""),
    "walrus in a comprehension": ("[(last := x) for x in y]\nlast", "last", "y", ""),
    "walrus in a function's comprehension": ("def f():\n    [(a := x) for x in y]\n    return a", "f", "", "y"),
    "class body": ("class C(B, metaclass=M):\n    a = b\n    c = a", "C", "B M b", ""),
    "class scope is not seen by methods": ("class C:\n    a = 1\n    def m(self): return a", "C", "", "a"),
    "class scope is not seen by its comprehensions": ("class C:\n    a = 1\n    b = [a for _ in x]", "C", "a x", ""),
    "class attribute after a read": ("class C:\n    b = a\n    a = 1", "C", "a", ""),
    "function": ("def f(a, *b, c=d, **e) -> r:\n    g = a + h\n    return g", "f", "d r", "h"),
    "lambda": ("f = lambda a, b=c: a + b + d", "f", "c", "d"),
    "decorator": ("@d(x)\ndef f(): pass", "f", "d x", ""),
    "local first": ("def f():\n    print(a)\n    a = 1", "f", "", "print"),
    "global": ("def f():\n    global a\n    a = b", "f", "", "b"),
    "global, then read": ("def f():\n    global a\n    return a", "f", "", "a"),
    "nonlocal": ("def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = b\n    return g", "f", "", "b"),
    "nested functions": ("def f(a):\n    def g(b): return a + b + c\n    return g", "f", "", "c"),
    "import": ("import a.b, c as d\nfrom e import f as g, h", "a d g h", "", ""),
    "import in a function": ("def f():\n    import a\n    return a.b", "f", "", ""),
    "try": ("try:\n    a = b\nexcept E as e:\n    e\n    c = d\nelse:\n    f = a\nfinally:\n    g", "a c f", "b E d g", ""),
    "except name is deleted": ("try:\n    pass\nexcept E as e:\n    pass\ne", "", "E e", ""),
    "except name in a function": ("def f():\n    try: pass\n    except E as e: return e", "f", "", "E"),
    "with": ("with a() as (b, c), d as e[0]:\n    b", "b c", "a d e", ""),
    "for": ("for a, (b, *c) in d:\n    e = a\nelse:\n    f = b", "a b c e f", "b d", ""),
    "for that may not run": ("for a in b: pass\na", "a", "a b", ""),
    "while": ("while a:\n    b = c", "b", "a c", ""),
    "if on both sides": ("if a:\n    b = 1\nelse:\n    b = 2\nb", "b", "a", ""),
    "if on one side": ("if a:\n    b = 1\nb", "b", "a b", ""),
    "del": ("a = 1\ndel a\na", "", "a", ""),
    "del in a function": ("def f():\n    a = 1\n    del a\n    return a", "f", "", ""),
    "match": ("match a:\n    case C(x=b, y=[c, *d]) | {'k': e, **g} if h:\n        b\n    case n.m:\n        pass", "b c d e g", "a C h n", ""),
    "match as": ("match a:\n    case (1 | 2) as b: pass\n    case _: pass", "b", "a", ""),
    "match in a function": ("def f(x):\n    match x:\n        case {'k': e, **rest}: return e, rest, q", "f", "", "q"),
    "f-string": ("f'{a!r:{b}} {c=}'", "", "a b c", ""),
    "starred": ("a, *b = c\nf(*d, **e)", "a b", "c d e f", ""),
    "subscript target": ("a[b] = c", "", "a b c", ""),
    "attribute target": ("a.b.c = d", "", "a d", ""),
    "annotated": ("a: b = c\nd: e", "a", "b c e", ""),
    "annotated local": ("def f():\n    a: b = c\n    return a", "f", "", "c"),
    "string annotation": ("def f(a: 'b.c'): pass", "f", "", ""),
    "async": ("async def f():\n    async with a as b:\n        async for c in d: yield await e(c)", "f", "", "a d e"),
    "yield and return": ("def f():\n    x = yield a\n    return x", "f", "", "a"),
    "class in a function": ("def f():\n    class C(B):\n        x = y\n        def m(self): return C, __class__\n    return C", "f", "", "B y"),
    "conditional expression": ("a if b else c", "", "a b c", ""),
    "slices": ("a[b:c, d]", "", "a b c d", ""),
    "chained": ("a < b < c and d or not e", "", "a b c d e", ""),
    "exception group": ("try:\n    a\nexcept* E as e:\n    e", "", "E a", ""),
    "star import": ("from a import *\nb", "", "b", ""),
    "private and dunder names": ("class C:\n    __a = __b__", "C", "__b__", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_names(what: str) -> None:
    code, binds, early, late = CASES[what]
    result = names(code)
    assert set(result.binds) == set(binds.split())
    unbound = {name for name in roots(result.reads_on_definition) if name in result.unbound_reads}
    assert unbound == set(early.split())
    assert roots(result.reads_in_bodies) - {"__class__"} == set(late.split())


NEW = {
    "type alias": ("type A[T] = list[T] | b", "A", {"b"}),
    "generic function": ("def f[T: b](a: T) -> c: return T, d", "f", {"b", "c", "d"}),
    "generic class": ("class C[T](B[T]):\n    def m(self, x: T): return T, d", "C", {"B", "d"}),
}


@pytest.mark.parametrize("what", NEW)
@pytest.mark.skipif(sys.version_info < (3, 12), reason=f"{OTHER_KIND} type parameters came with Python 3.12")
def test_names_of_type_parameters(what: str) -> None:
    code, binds, read = NEW[what]
    result = names(code)
    assert set(result.binds) == {binds}
    assert roots(result.reads | result.reads_in_annotations) == read


def test_chains_tell_which_attributes_are_read() -> None:
    result = names("np.random.seed(a.b[0].c)\ndef f(): return sk.linear.Model().fit")
    assert result.reads_on_definition == {("np", "random", "seed"), ("a", "b")}
    assert result.reads_in_bodies == {("sk", "linear", "Model")}


def test_annotations_count_apart_where_they_are_not_evaluated() -> None:
    code = "def f(a: b) -> c: pass\nclass C:\n    x: d = e"
    assert roots(names(code, future=True).reads_in_annotations) == {"b", "c", "d"}
    assert roots(names(code).reads_on_definition) == {"b", "c", "d", "e"}
    assert roots(names("def f(a: 'b.x | None'): pass").reads_in_annotations) == {"b"}
    assert names("def f(a: 'no python'): pass").reads_in_annotations == set()


@pytest.mark.parametrize(
    ("code", "changed", "rebound"),
    [
        ("def f(): a[0] = 1", "a", ""),
        ("def f(): a.b.c = 1", "a", ""),
        ("def f(): a['x'].append(1)", "a", ""),
        ("def f(): del a[0]", "a", ""),
        ("def f(): a[0] += 1", "a", ""),
        ("def f(): a.update(b=1)", "a", ""),
        ("def f():\n    for a[0] in b: pass", "a", ""),
        ("def f(a): a[0] = 1", "", ""),
        ("def f():\n    a = []\n    a.append(1)", "", ""),
        ("def f():\n    def g(): a.append(1)\n    a = []", "", ""),
        ("a.append(1)", "", ""),
        ("def f(): return a.get(0)", "", ""),
        ("def f():\n    global a\n    a = 1", "", "a"),
        ("def f():\n    global a\n    a += 1", "", "a"),
        ("def f():\n    global a\n    del a", "", "a"),
        ("def f():\n    global a\n    for a in b: pass", "", "a"),
        ("def f():\n    global a\n    import a", "", "a"),
        ("def f():\n    global a\n    def a(): pass", "", "a"),
        ("def f():\n    global a\n    with b as a: pass", "", "a"),
        ("def f():\n    global a\n    [a := x for x in b]", "", "a"),
        ("class C:\n    def m(self): a.append(1)", "a", ""),
    ],
)
def test_hidden_state(code: str, changed: str, rebound: str) -> None:
    result = names(code)
    assert set(result.mutated_globals) == set(changed.split())
    assert set(result.rebound_globals) == set(rebound.split())


def test_names_that_are_bound_on_every_path_are_always_bound() -> None:
    result = names("a = 1\nif x:\n    b = 1\nfor c in y: pass\ntry:\n    d = 1\nexcept E:\n    raise\nwith z: e = 1")
    assert result.always_bound == {"a", "d", "e"}
    assert set(result.binds) == {"a", "b", "c", "d", "e"}


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason=f"{OTHER_KIND} symtable leaks comprehension variables since Python 3.12"
)
def test_real_files_agree_with_the_compiler() -> None:
    """What functions read from their module is what `symtable` says, over a sample of the standard library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::3]
    compared = 0
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        future = "annotations" if "import annotations" in text else ""
        result = names(text, future=bool(future))
        ours = roots(result.reads | result.reads_in_annotations)
        theirs = global_reads(symtable.symtable(text, file.name, "exec"))
        bound_only = set(result.binds) | set(dir(builtins)) | {"__class__"}
        assert {name for name in theirs - ours if name not in result.binds} == set(), file
        assert {name for name in ours - theirs if name not in bound_only} == set(), file
        compared += 1
    assert compared > 50


def global_reads(table: symtable.SymbolTable) -> set[str]:
    names_read = set()
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
            names_read.add(symbol.get_name())
    for child in table.get_children():
        names_read |= global_reads(child)
    return names_read
