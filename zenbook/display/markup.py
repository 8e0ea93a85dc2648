"""HTML and SVG that escape by type: whatever is put into them is text, unless it is markup itself."""

from __future__ import annotations

import html
import re
from typing import Any, Self

from markupsafe import Markup

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Html(Markup):
    """HTML or SVG source. ``format``, ``join``, ``%`` and ``+`` escape every argument that is not markup.

    Characters that XML cannot hold become U+FFFD, so that an SVG stays readable whatever a name holds.
    """

    __slots__ = ()

    @classmethod
    def escape(cls, s: Any, /) -> Self:
        """The markup of a text.

        Args:
            s: A text, or any object that has one; markup stays as it is.

        Returns:
            Markup.
        """
        if hasattr(s, "__html__"):
            return cls(s.__html__())
        return cls(html.escape(_NOT_XML.sub("\ufffd", str(s))))


NOTHING = Html("")
