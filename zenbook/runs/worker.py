"""``python -m zenbook.runs.worker``: the name of the worker in exported pipelines, which stays for ever."""

from __future__ import annotations

import sys

import zenbook
from zenbook.engine.worker import main

vars(zenbook).pop("runs", None)  # importing this package has put it where the function `zenbook.runs` belongs

if __name__ == "__main__":
    sys.exit(main())
