"""What this kernel can know of the page that shows its notebook."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path


def panels_work() -> bool:
    """Whether the front end can show widgets: it belongs to a Jupyter server, and the packages are there."""
    return bool(os.environ.get("JPY_SESSION_NAME")) and _is_installed("anywidget") and _is_installed("ipywidgets")


@cache
def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def supports_subshells() -> bool:
    """Whether the kernel can answer the page while a cell is running, as ipykernel 7 and later can."""
    from IPython.core.getipython import get_ipython

    return bool(getattr(getattr(get_ipython(), "kernel", None), "_supports_kernel_subshells", False))


def kernel_id() -> str:
    """The kernel's id at its server, which is in the name of its connection file; empty if it has none."""
    from ipykernel.connect import get_connection_file

    try:
        return Path(get_connection_file()).stem.removeprefix("kernel-")
    except RuntimeError:  # no kernel
        return ""
