"""Bring a DAG to Airflow: what its tasks need to open the same stores, who may reach them, and the files themselves."""

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
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = ""
print(json.dumps(found))
"""


def refuse_unreachable(stack: Stores, *, same_machine: bool) -> None:
    """Raise `StackError` where Airflow's workers could not reach a store, since it is in this machine's files."""
    if same_machine:
        return
    stores = ((ComponentKind.ARTIFACT_STORE, stack.artifacts), (ComponentKind.METADATA_STORE, stack.metadata))
    for kind, store in stores:
        if store.on_this_machine:
            raise StackError(
                f"The {kind.label} of the stack {stack.stack.name!r} is in files of this machine "
                f"({store.describe()}), which Airflow's workers do not see.",
                "Choose one that they reach (a database, a bucket); or, if Airflow runs here: "
                "zen orchestrator update NAME --same-machine",
            )


def stack_file(stack: Stores, *, same_machine: bool) -> tuple[str, list[str]]:
    """The text of the file beside the plan that lets a task open the stores, and what it leaves out.

    It never holds a secret: those are variables that Airflow's workers need of their own.
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
            kept, left_out = _public(kind, stack)
            missing += left_out
            variables[f"ZENBOOK_STACK_{kind.upper()}"] = json.dumps(kept, sort_keys=True, default=str)
    folder = str(Path.cwd()) if same_machine else ""
    return json.dumps({"folder": folder, "variables": variables}, indent=1, sort_keys=True) + "\n", missing


def _public(kind: ComponentKind, stack: Stores) -> tuple[dict[str, Any], list[str]]:
    """A component as flavour and options without secrets, and the variables that hold what was left out."""
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
    """Write the files, the DAG's own last. ``folder`` is a path or a URL. Raises `StackError` where that can't be."""
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
        raise StackError(f"{folder} needs a package that is missing: {error}.", "Install it, and try again.") from error
    except Exception as error:
        raise StackError(
            f"The DAG can't be written to {folder}: {error}.", "Mend the setting `dags`, or your rights there."
        ) from error


def differing_packages(python: str, requirements: Sequence[str]) -> Iterator[str]:
    """What is installed in another version for the steps than here. Raises `StackError` if zenbook is not there."""
    from importlib.metadata import version

    here = dict(one.split("==", 1) for one in requirements) | {"zenbook": version("zenbook")}
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
            f"The interpreter {python} of Airflow's steps can't be asked what is installed: {error}.",
            "Give another: zen orchestrator update NAME --python PATH",
        ) from error
    if not there["zenbook"]:
        raise StackError(
            f"The interpreter {python} of Airflow's steps has no zenbook.", f"{python} -m pip install zenbook"
        )
    for name, wanted in here.items():
        if there[name] != wanted:
            yield f"{name} {there[name] or 'is missing'} (here {wanted})"


def warn_of_packages(python: str, requirements: Sequence[str]) -> None:
    """Say on stderr what differs: a result may, too."""
    if (
        os.path.realpath(python) == os.path.realpath(sys.executable)
        and Path(python).parent == Path(sys.executable).parent
    ):
        return
    found = list(differing_packages(python, requirements))
    if found:
        sys.stderr.write(f"Airflow's steps run with other packages than this notebook: {', '.join(found)}\n")
