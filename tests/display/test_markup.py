"""Markup escapes by type: text is escaped wherever it is put, markup is not escaped twice."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from zenbook.display.diff import diff_html, with_code
from zenbook.display.markup import NOTHING, Html
from zenbook.display.svg import image

HOSTILE = "<script>alert('x')</script> & \"quotes\""


@pytest.mark.parametrize(
    "built",
    [
        Html("<p title='{}'>{}</p>").format(HOSTILE, HOSTILE),
        Html("<p>{}</p>").format(Html("<b>{}</b>").format(HOSTILE)),
        Html("<p>") + HOSTILE + Html("</p>"),
        Html("<p>%s</p>") % HOSTILE,
        Html("<p>{}</p>").format(NOTHING.join([HOSTILE, Html("<br/>")])),
        Html("<p>{}</p>").format(with_code(f"`{HOSTILE}` changed")),
        diff_html(f"-{HOSTILE}\n+<hr>"),
        Html("<p>{}</p>").format(Html('<img alt="{}"/>').format(HOSTILE)),
    ],
)
def test_text_is_escaped_once_wherever_it_is_put(built: Html) -> None:
    root = ElementTree.fromstring(built)
    assert not list(root.iter("script"))
    assert "&amp;lt;" not in built
    texts = ["".join(root.itertext()), *(value for node in root.iter() for value in node.attrib.values())]
    assert any("<script>alert('x')</script> & \"quotes\"" in text for text in texts)


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    assert ElementTree.fromstring(Html("<p>{}</p>").format("a\x00b\ud800\x1b")).text == "a\ufffdb\ufffd\ufffd"


def test_an_image_is_markup_with_an_escaped_text() -> None:
    assert 'alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;quotes&quot;" style=' in image("<svg/>", HOSTILE)
