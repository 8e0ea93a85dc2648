"""Launch a plan, run its steps, record what happens, look at what happened.

The package itself can be called: ``zenbook.runs(pipeline="training")`` lists runs, and ``zenbook.runs`` is at the same
time where this floor's modules are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenbook.runs.history import Runs


class _CallablePackage(ModuleType):
    def __call__(
        self,
        pipeline: str | None = None,
        *,
        state: str | None = None,
        where: str | None = None,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = 20,
        stack: str | None = None,
    ) -> Runs:
        """The recorded runs, newest first: a list of `Run` that shows itself as a table; ``.df()`` for pandas.

        ``runs(where="metrics.accuracy > 0.9 and params.lr < 0.1", order_by="-metrics.accuracy")`` asks in SQL.
        """
        from zenbook.runs.history import list_runs

        return list_runs(pipeline, state=state, where=where, order_by=order_by, limit=limit, stack=stack)


sys.modules[__name__].__class__ = _CallablePackage
