"""The project's own modules within a script: their sources as texts, and a finder for ``import``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from zenbook.core.plan import Plan
from zenbook.exporters.readable_source import statements

_FINDER = '''\
class _OwnModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import` find the modules above."""

    def find_spec(self, name, path=None, target=None):
        package = name in _PACKAGES
        if name in _MODULES or package:
            return importlib.util.spec_from_loader(name, self, is_package=package)

    def exec_module(self, module):
        source = _MODULES.get(module.__name__, "")
        exec(compile(source, f"<{module.__name__}>", "exec"), vars(module))


sys.meta_path.insert(0, _OwnModules())'''


def statements_by_module(plan: Plan) -> dict[str, list[str]]:
    """Collect the statements of the modules that steps use, each once, in an order that suits all steps.

    Args:
        plan: The plan.

    Returns:
        The statements' sources by module.
    """
    merged: dict[str, list[str]] = {}
    for node in plan.graph:
        for module in plan.capsule_of(node.name).modules:
            known = merged.setdefault(module.name, [])
            own = statements(module)
            for number, text in enumerate(own):
                if text not in known:
                    places = [known.index(later) for later in own[number + 1 :] if later in known]
                    known.insert(min(places, default=len(known)), text)
    return {name: texts for name, texts in merged.items() if texts}


def embed_modules(
    plan: Plan, modules: Mapping[str, Iterable[str]], without_zenbook: Callable[[list[str]], str]
) -> Iterator[str]:
    """Write the part of a script that contains modules.

    Args:
        plan: The plan.
        modules: The statements of the modules by their names.
        without_zenbook: Makes the source of a module that does not import zenbook from its statements.

    Yields:
        Paragraphs of source; nothing for no modules.
    """
    if not modules:
        return
    own = {module.name for node in plan.graph for module in plan.capsule_of(node.name).modules if module.package}
    above = {name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)}
    yield "import importlib.abc\nimport importlib.util\nimport sys"
    entries = "".join(
        f'    "{name}": {_raw(without_zenbook(list(texts)))},\n' for name, texts in sorted(modules.items())
    )
    yield f"# What the steps use of the project's own modules.\n_MODULES = {{\n{entries}}}"
    yield f"_PACKAGES = {sorted((own & modules.keys()) | above)!r}\n\n\n{_FINDER}"


def _raw(source: str) -> str:
    """A text as a literal that is easy to read."""
    text = f"\n{source.strip()}\n"
    quotes = "'''" if '"""' in text else '"""'
    if quotes not in text and "\\" not in text:
        return f"{quotes}{text}{quotes}"
    return f"r{quotes}{text}{quotes}" if quotes not in text else repr(text)
