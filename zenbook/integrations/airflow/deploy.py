"""Deploy a DAG: its files, the settings with which its tasks open the stores, and checks that the tasks can run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zenbook.errors import StackError
from zenbook.exporters.base import write_export
from zenbook.stack.component_factory import BUILT_IN, entry_of
from zenbook.stack.flavour import ComponentKind, flavour
from zenbook.stack.orchestrator import Stores
from zenbook.stack.secrets import secret_fields, variables_in, without_secrets

STORES = (ComponentKind.ARTIFACT_STORE, ComponentKind.METADATA_STORE)
_VERSIONS = """\
import json, sys
from importlib.metadata import PackageNotFoundError, version
versions = {}
for name in json.loads(sys.argv[1]):
    try:
        versions[name] = version(name)
    except PackageNotFoundError:
        versions[name] = ""
print(json.dumps(versions))
"""


def refuse_unreachable(stack: Stores, *, same_machine: bool) -> None:
    """Refuse a stack with a store that is in files of this machine, which Airflow's workers cannot read.

    Args:
        stack: The stores of the run.
        same_machine: Whether Airflow's workers run on this machine.

    Raises:
        StackError: The workers cannot reach a store.
    """
    if same_machine:
        return
    stores = ((ComponentKind.ARTIFACT_STORE, stack.artifacts), (ComponentKind.METADATA_STORE, stack.metadata))
    for kind, store in stores:
        if store.on_this_machine:
            raise StackError(
                f"The {kind.label} of the stack {stack.stack.name!r} is in files of this machine "
                f"({store.describe()}), which Airflow's workers cannot read.",
                "Use a database or a bucket. Or, if Airflow runs on this machine: "
                "zen orchestrator update NAME --same-machine",
            )


def stack_file(stack: Stores, *, same_machine: bool) -> tuple[str, list[str]]:
    """Write the file beside the plan with which a task opens the stores.

    It never contains a secret. Airflow's workers need the secrets as environment variables.

    Args:
        stack: The stores of the run.
        same_machine: Whether Airflow's workers run on this machine.

    Returns:
        The text of the file, and the names of the variables that the workers need.
    """
    variables: dict[str, str] = {}
    missing: list[str] = []
    if same_machine:
        variables = {"ZENBOOK_WORKSPACE": str(stack.workspace.home), "ZENBOOK_STACK": stack.stack.name}
    for kind in STORES:
        choice = stack.stack.choice(kind)
        if same_machine and not choice.flavour and not choice.options:
            variables[f"ZENBOOK_STACK_{kind.upper()}"] = choice.name
        else:
            options, left_out = _public_options(kind, stack)
            missing += left_out
            variables[f"ZENBOOK_STACK_{kind.upper()}"] = json.dumps(options, sort_keys=True, default=str)
    folder = str(Path.cwd()) if same_machine else ""
    return json.dumps({"folder": folder, "variables": variables}, indent=1, sort_keys=True) + "\n", missing


def _public_options(kind: ComponentKind, stack: Stores) -> tuple[dict[str, Any], list[str]]:
    """A component's flavour and options without secrets, and the variables for what was left out."""
    choice = stack.stack.choice(kind)
    entry: Mapping[str, Any] = {"flavour": choice.flavour} if choice.flavour else {}
    if not entry:
        builtin = BUILT_IN.get((kind, choice.name))
        entry = {"flavour": builtin} if builtin else entry_of(kind, choice.name, stack.workspace)
    options = {**entry, **choice.options}
    public, left_out = without_secrets(kind, options)
    secret = secret_fields(flavour(kind, str(entry["flavour"])).settings)
    missing = [variable for option in sorted(secret & public.keys()) for variable in variables_in(public[option])]
    needed = [path for path in left_out if options[path[0]] not in (None, "")]
    return public, [*missing, *("__".join((f"ZENBOOK_STACK_{kind}", *path)).upper() for path in needed)]


def deploy(files: Mapping[str, str], folder: str) -> None:
    """Write the files of a DAG, in their order.

    Args:
        files: The files' texts by name; the DAG itself is the last.
        folder: A path or a URL.

    Raises:
        StackError: The folder cannot be written.
    """
    try:
        if "://" not in folder:
            write_export(files, Path(folder))
            return
        import fsspec

        system, path = fsspec.core.url_to_fs(folder)
        for name, text in files.items():
            target = f"{path.rstrip('/')}/{name}"
            data = text.encode()
            if not system.exists(target) or system.cat_file(target) != data:
                system.pipe_file(target, data)
    except ImportError as error:
        raise StackError(f"A package that {folder} needs is missing: {error}.", "Install it and try again.") from error
    except Exception as error:
        raise StackError(
            f"The DAG cannot be written to {folder}: {error}.",
            "Fix the setting `dags` or the permissions of this folder.",
        ) from error


def differing_packages(python: str, requirements: Sequence[str]) -> Iterator[str]:
    """Find the packages whose versions differ between this process and the steps' interpreter.

    Args:
        python: The steps' interpreter.
        requirements: The packages of this process, each as ``name==version``.

    Yields:
        For each package that differs its name, the version there and the version here.

    Raises:
        StackError: The interpreter cannot be run, or zenbook is not installed for it.
    """
    from importlib.metadata import version

    here = dict(requirement.split("==", 1) for requirement in requirements) | {"zenbook": version("zenbook")}
    try:
        done = subprocess.run(
            [python, "-c", _VERSIONS, json.dumps(sorted(here))],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        there = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise StackError(
            f"Could not find out what is installed for the interpreter {python} of Airflow's steps: {error}.",
            "Choose another one: zen orchestrator update NAME --python PATH",
        ) from error
    if not there["zenbook"]:
        raise StackError(
            f"The interpreter {python} of Airflow's steps has no zenbook.", f"{python} -m pip install zenbook"
        )
    for name, version_here in here.items():
        if there[name] != version_here:
            yield f"{name} {there[name] or 'is missing'} (here {version_here})"


def warn_of_packages(python: str, requirements: Sequence[str]) -> None:
    """Warn on stderr of packages that differ, since results may differ too.

    Args:
        python: The steps' interpreter; nothing is checked if it is this one.
        requirements: The packages of this process, each as ``name==version``.
    """
    if (
        os.path.realpath(python) == os.path.realpath(sys.executable)
        and Path(python).parent == Path(sys.executable).parent
    ):
        return
    differing = list(differing_packages(python, requirements))
    if differing:
        sys.stderr.write(f"Airflow's steps run with other packages than this notebook: {', '.join(differing)}\n")
