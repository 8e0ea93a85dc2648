"""Find what ``zen run`` can run, in a file or in a notebook: pipelines, or the step cells of a notebook."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from zenbook.core.annotations import hints_of
from zenbook.core.entry_points import find_entry_point
from zenbook.core.plan import Plan
from zenbook.core.tracing.parameter_targets import find_parameter_targets
from zenbook.errors import RunError, did_you_mean
from zenbook.history.run import Run
from zenbook.pipelines.pipeline import Pipeline


class Runnable(Protocol):
    """A pipeline, or the step cells of a notebook as one."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    def run(self, params: Mapping[str, str], *, stack: str | None, cache: bool, background: bool = False) -> Run:
        """Run it.

        Args:
            params: The parameters as texts, by name.
            stack: The stack's name; None for the pipeline's own or the active one.
            cache: Whether steps may be served from the cache.
            background: Whether to return without waiting for the run's end.

        Returns:
            The run.
        """

    def plan(self, params: Mapping[str, str], *, stack: str | None) -> Plan:
        """Make the plan of what would be run, without running anything.

        Args:
            params: The parameters as texts, by name.
            stack: The stack's name; None for the pipeline's own or the active one.

        Returns:
            The plan, with the places where parameters can be replaced.
        """


class PipelineSource(Protocol):
    """Where runnables are found: a module, a notebook's file."""

    def analysed(self) -> PipelineSource:
        """The same source, of which only imports, definitions and constants are executed. Raises `RunError`."""

    def find(self, name: str | None) -> Runnable:
        """Find a runnable.

        Args:
            name: Its name; None for the only one.

        Returns:
            The runnable. Raises `RunError` if there is none or more than one.
        """


class FunctionPipeline(Runnable):
    """A `Pipeline` that takes its parameters as texts.

    Args:
        pipeline: The pipeline.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.name

    def run(self, params: Mapping[str, str], *, stack: str | None, cache: bool, background: bool = False) -> Run:
        """Run the pipeline. Raises `RunError` for a parameter that it does not have, or a text that does not fit."""
        pipeline = self.pipeline.options(
            stack=stack or self.pipeline.stack,
            cache=cache and self.pipeline.cache,
            background=background or self.pipeline.background,
        )
        return pipeline(**self._values(params))

    def plan(self, params: Mapping[str, str], *, stack: str | None) -> Plan:
        """Make the plan of what would be run. Raises `RunError` as `run` does."""
        values = self._values(params)
        pipeline = self.pipeline.options(stack=stack or self.pipeline.stack)
        plan = pipeline.plan(**values)
        targets = find_parameter_targets(plan, pipeline.function, pipeline.bind((), values))
        return replace(plan, bindings=targets)

    def _values(self, params: Mapping[str, str]) -> dict[str, Any]:
        function = self.pipeline.function
        parameters = inspect.signature(function).parameters
        hints = hints_of(function)
        return {name: parse_param(self.name, name, text, hints.get(name), parameters) for name, text in params.items()}


def parse_param(owner: str, name: str, text: str, hint: Any, known: Mapping[str, Any]) -> Any:
    """Read a parameter's text as a value of its annotation, else of its default's type, else as a Python literal.

    Args:
        owner: The pipeline's name, for messages.
        name: The parameter's name.
        text: Its value as a text.
        hint: Its annotation.
        known: The parameters that exist, or their defaults, by name.

    Returns:
        The value.

    Raises:
        RunError: The parameter does not exist, or the text does not fit.
    """
    if name not in known:
        raise RunError(f"{owner!r} has no parameter {name!r}.", did_you_mean(name, known, noun="parameter"))
    default = known[name].default if isinstance(known[name], inspect.Parameter) else known[name]
    if hint is None and default not in (None, inspect.Parameter.empty):
        hint = type(default)
    if hint is None or hint is Any:
        return _literal(text)
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(hint)
    except PydanticUserError:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    first: ValidationError | None = None
    for value in (text,) if hint is str else (_literal(text), text):
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            first = first or error
    assert first is not None
    raise RunError(
        f"The parameter {name!r} of {owner!r} is {text!r}: {first.errors()[0]['msg']}.",
        f"Give it as --param {name}=VALUE.",
    )


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "null": None, "none": None}.get(text.lower(), text)


def choose(pipelines: Iterable[Pipeline], name: str | None, where: str) -> FunctionPipeline:
    """Choose a pipeline.

    Args:
        pipelines: The pipelines that exist.
        name: The name; None for the only one.
        where: Where they were found, for messages.

    Returns:
        The pipeline.

    Raises:
        RunError: No pipeline has that name, or without a name, there is none or more than one.
    """
    known = {pipeline.name: pipeline for pipeline in pipelines}
    if name is not None:
        if name not in known:
            raise RunError(f"Pipeline {name!r} is not in {where}.", did_you_mean(name, known, noun="pipeline"))
        return FunctionPipeline(known[name])
    if len(known) == 1:
        return FunctionPipeline(next(iter(known.values())))
    if not known:
        raise RunError(f"No pipeline found in {where}.", "Put @pipeline on a function that calls steps.")
    raise RunError(f"{where} has several pipelines.", f"Name one of them: {', '.join(sorted(known))}.")


class ModuleFile(PipelineSource):
    """A ``.py`` file, imported under its own name.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def analysed(self) -> PipelineSource:
        """Raise `RunError`: a module cannot be executed in parts."""
        raise RunError(
            f"{self.path.name} is a module, which is always imported whole.", "Only a notebook can be --static."
        )

    def find(self, name: str | None) -> Runnable:
        """Find a pipeline by name. Raises `RunError`, and what importing the file raises."""
        folder, dotted = self.path.resolve().parent, self.path.stem
        while (folder / "__init__.py").is_file():
            folder, dotted = folder.parent, f"{folder.name}.{dotted}"
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        module = importlib.import_module(dotted)
        actual = getattr(module, "__file__", None)
        if Path(actual or "").resolve() != self.path.resolve():
            raise RunError(
                f"Python imports {actual or 'a built-in module'} as {dotted!r} and not {self.path}.",
                "Rename the file: another module has its name.",
            )
        pipelines = (value for value in vars(module).values() if isinstance(value, Pipeline))
        return choose(pipelines, name, self.path.name)


def _files_like(path: Path) -> str:
    folder = path.parent
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [entry.name for entry in entries if entry.suffix in (".py", ".ipynb")]
    close = did_you_mean(path.name, files) if files else ""
    return close if close.startswith("Did") else "Give a .py file or an .ipynb notebook: zen run train.py:training."


def find_target(target: str) -> Runnable:
    """Find what ``FILE[:PIPELINE]`` names. Raises `RunError` if the file does not exist or is not of a known kind.

    Args:
        target: The text.

    Returns:
        The runnable.
    """
    source, name = source_of(target)
    return source.find(name)


def source_of(target: str) -> tuple[PipelineSource, str | None]:
    """Split ``FILE[:PIPELINE]``.

    Args:
        target: The text.

    Returns:
        The file, and the pipeline's name if one is given.

    Raises:
        RunError: The file does not exist or is not of a known kind.
    """
    file, colon, name = target.rpartition(":") if ":" in target[2:] else (target, "", "")
    path = Path(file if colon else target)
    if not path.is_file():
        raise RunError(f"File {str(path)!r} not found.", _files_like(path))
    kind = find_entry_point("zenbook.pipeline_sources", path.suffix.lstrip("."))
    if kind is None:
        raise RunError(f"{path.name} is neither a Python file nor a notebook.", "Give a .py or an .ipynb file.")
    source: PipelineSource = kind.load()(path)
    return source, name or None
