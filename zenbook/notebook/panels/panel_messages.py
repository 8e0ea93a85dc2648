"""What a run panel's thread is asked to do, beside the events of the run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from zenbook.core.events import Event


class PanelPhase(Enum):
    """What is shown of a panel. The phases come in this order."""

    WAITING = auto()  # nothing yet: a run that ends quickly shows only its end
    LIVE = auto()  # the panel
    ENDED = auto()  # the picture in its place


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent to the page that made a request."""

    request: dict[str, Any]
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PageOpened:
    """A page shows the panel, and needs all there is."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A page wants the run of this process to be cancelled."""

    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flush:
    """Somebody waits until all changes so far have been sent."""

    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class End:
    """A MIME bundle takes the panel's place; somebody waits for it. Without a bundle the last picture stays."""

    bundle: dict[str, Any] | None
    done: threading.Event = field(default_factory=threading.Event)


Request = Reply | PageOpened | Interrupt | Flush
Message = Event | Request | End
