"""Runs a notebook in a real kernel, says cell by cell what happened, and how to go on: `make demo`.

The committed notebook stays as it is: the executed copy is `.demo/NAME.ipynb`, its workspace `.demo/.zen`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / ".demo"
SHOWN_LINES = 14  # of one output
SHOWN_ERROR_LINES = 60
SHOWN_WIDTH = 110

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def main(arguments: list[str]) -> int:
    """Run the notebook that is named, else the quickstart. Returns the exit code."""
    source = Path(arguments[0]) if arguments else HERE / "01_quickstart.ipynb"
    if not source.is_file():
        print(f"There is no notebook {source}.", file=sys.stderr)
        return 1
    shutil.rmtree(DEMO, ignore_errors=True)  # a demo starts with nothing done
    DEMO.mkdir()
    os.environ["ZENBOOK_WORKSPACE"] = str(DEMO / ".zen")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one of the user's own
    executed = DEMO / source.name
    print(f"Running {_short(source)} in a Jupyter kernel\n", flush=True)
    started = time.perf_counter()
    notebook = nbformat.read(source, as_version=4)
    try:
        failure = _execute(notebook, source.resolve().parent)
    finally:
        nbformat.write(notebook, executed)
    took = time.perf_counter() - started
    if failure:
        print(f"{failure}\nThe notebook up to there: {_short(executed)}", file=sys.stderr)
        return 1
    print(f"Done in {took:.1f} s, nothing failed.")
    print(f"  the executed notebook   {_short(executed)}")
    print(f"  its runs and artifacts  {_short(DEMO / '.zen')}")
    print(f"  open it yourself        make lab, then the address that JupyterLab prints, and in it {source.name}")
    return 0


def _execute(notebook: Any, folder: Path) -> str:
    """Execute all cells in place and print each; what went wrong in a sentence, empty when all went well."""
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown":
                _show_heading(cell.source)
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            started = time.perf_counter()
            failure = ""
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                failure = f"This cell failed: {error.ename}: {_plain(error.evalue)}"
            except (CellTimeoutError, DeadKernelError) as error:
                failure = f"This cell did not end: {error}"
            _show_cell(cell, time.perf_counter() - started)
            if failure:
                return failure
    return ""


def _show_heading(markdown: str) -> None:
    for line in markdown.splitlines():
        if line.startswith("#"):
            print(f"── {line.lstrip('# ')} ".ljust(78, "─"))


def _show_cell(cell: Any, seconds: float) -> None:
    code = [line for line in cell.source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    title = f"In [{cell.execution_count or '*'}] {code[0] if code else ''}{' …' if len(code) > 1 else ''}"
    print(f"{title[: SHOWN_WIDTH - 8]:<70} {seconds:6.2f} s")
    for output in cell.outputs:
        limit = SHOWN_ERROR_LINES if output.output_type == "error" else SHOWN_LINES
        lines = [line.rstrip() for line in _plain(_text(output)).splitlines() if line.strip()]
        for line in lines[:limit]:
            print(f"    {line[:SHOWN_WIDTH]}")
        if len(lines) > limit:
            print(f"    … and {len(lines) - limit} lines more")
    print(flush=True)


def _text(output: Any) -> str:
    """What an output says without pictures."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type in ("execute_result", "display_data"):
        return str(output.data.get("text/plain", ""))
    return "\n".join(output.get("traceback", ()))


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


def _short(path: Path) -> str:
    """A path as one would type it from here."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
