"""What every SVG picture here needs: fonts, short numbers, widths of text, an image's source.

A saved notebook keeps a picture for everyone only as an image with a data URI, so a picture stands alone: system
fonts, no script, no style sheet.
"""

from __future__ import annotations

import base64

from zenbook.display.markup import Html
from zenbook.display.table import width

FONTS = Html("system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','DejaVu Sans',Arial,sans-serif")
# Widths of characters in pixels at a font size of 12, of a font that runs wide.
_NARROW, _BROAD = frozenset("ijltfrI.,:;'|!()[]-/ "), frozenset("mwMW@%&—…")
_NARROW_PX, _BROAD_PX, _UPPER_PX, _OTHER_PX = 4.6, 11.4, 8.2, 7.4
_DOUBLE_PX, _FOREIGN_PX = 12.5, 7.6  # characters outside ASCII: of two columns, of one
_TAIL = 0.35  # the share of the room that the end of a shortened name gets


def px(value: float) -> str:
    """A coordinate as short text.

    Args:
        value: Pixels.

    Returns:
        The number with one decimal, without ``.0``.
    """
    return f"{value:.1f}".removesuffix(".0")


def data_uri(svg: str) -> str:
    """An SVG as the ``src`` of an image.

    Args:
        svg: The picture's source.

    Returns:
        A data URI in base64.
    """
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def image(svg: str, alt: str) -> Html:
    """An SVG as an HTML image that needs nothing else.

    Args:
        svg: The picture's source.
        alt: What the picture shows, for those who do not see it.

    Returns:
        An ``<img>`` that is at most as wide as its page.
    """
    return Html('<img src="{}" alt="{}" style="max-width:100%">').format(data_uri(svg), alt)


def text_width(text: str) -> float:
    """About how wide a text is at 12 pixels, in a font that runs wide.

    Args:
        text: One line.

    Returns:
        Pixels.
    """
    if not text.isascii():
        return sum(_DOUBLE_PX if width(character) == 2 else _FOREIGN_PX * width(character) for character in text)
    return sum(map(_ascii_width, text))


def fit(name: str, room: float) -> str:
    """Shorten a name in the middle: its end tells ``fit_model_with_seed-12`` from ``…-13``.

    Args:
        name: One line.
        room: Pixels that it may take, at a font size of 12.

    Returns:
        The name, with … in place of its middle where it is too wide.
    """
    if text_width(name) <= room:
        return name
    room -= text_width("…")
    tail = len(name)
    while tail and text_width(name[tail - 1 :]) <= room * _TAIL:
        tail -= 1
    room -= text_width(name[tail:])
    head = 0
    while head < tail and text_width(name[: head + 1]) <= room:
        head += 1
    return f"{name[:head]}…{name[tail:]}"


def _ascii_width(character: str) -> float:
    if character in _NARROW:
        return _NARROW_PX
    if character in _BROAD:
        return _BROAD_PX
    return _UPPER_PX if character.isupper() else _OTHER_PX
