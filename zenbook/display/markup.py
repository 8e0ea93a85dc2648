"""HTML and SVG that escape by type: whatever is put into them is text, unless it is markup itself."""

from __future__ import annotations

import html
import re
from typing import Any, Self

from markupsafe import Markup

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RESERVED = frozenset("&<>\"'")


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
        return cls(_escaped(str(s)))

    def format(self, *args: Any, **kwargs: Any) -> Self:
        """Fill the fields of a template, as `str.format` does.

        `Markup.format` does the same; this takes a quarter of its time, which a picture of many steps feels.

        Args:
            *args: Values of fields by place; what is not markup is escaped, numbers keep their format.
            **kwargs: Values of fields by name.

        Returns:
            Markup.
        """
        values = map(_field, args)
        return self.__class__(str(self).format(*values, **{name: _field(value) for name, value in kwargs.items()}))


NOTHING = Html("")


def _field(value: Any) -> object:
    if hasattr(value, "__html__"):
        return str(value.__html__())
    return value if type(value) in (int, float) else _escaped(str(value))


def _escaped(text: str) -> str:
    if text.isprintable() and _RESERVED.isdisjoint(text):  # most names and numbers
        return text
    return html.escape(_NOT_XML.sub("\ufffd", text))
