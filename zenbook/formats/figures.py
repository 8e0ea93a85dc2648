"""matplotlib figures: pickled so that loading one neither opens it in pyplot nor makes it the current figure."""

from __future__ import annotations

import base64
import io
from typing import Any, BinaryIO

from zenbook.formats.format import Format, Source
from zenbook.formats.pickle_container import read_container, write_container

_WIDE = 320  # pixels of a preview
_COLOURS = (128, 16)  # a chart of few colours is as good as with all of them, and a quarter as large
_LARGEST = 30_000  # bytes of a preview in base64


class FigureFormat(Format):
    """A Figure, which can be drawn on and saved after loading."""

    name = "figure"
    suffix = ".zpickle"
    types = ("matplotlib.figure.Figure",)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Pickle the figure; it stays as it is."""
        write_container(value, file)

    def read(self, source: Source) -> Any:
        """Read a figure with an Agg canvas of its own; pyplot does not know it."""
        return read_container(source)

    def preview(self, value: Any) -> dict[str, Any]:
        """Size in inches, number of axes and a small PNG, from a copy: even asking for its size changes a figure."""
        from zenbook.formats.byte_sources import BytesSource

        file = io.BytesIO()
        self.write(value, file)
        copy = self.read(BytesSource(file.getvalue()))
        width, height = (float(length) for length in copy.get_size_inches())
        facts: dict[str, Any] = {"size": [width, height], "axes": len(copy.axes)}
        drawn = io.BytesIO()
        copy.savefig(drawn, format="png", dpi=max(1.0, _WIDE / max(width, height, 0.1)))
        for colours in _COLOURS:
            picture = _with_few_colours(drawn, colours)
            if len(picture) <= _LARGEST:
                return facts | {"png": picture}
        return facts


def _with_few_colours(drawn: BinaryIO, colours: int) -> str:
    """A PNG with a palette, in base64."""
    from PIL import Image  # matplotlib writes PNG by it

    png = io.BytesIO()
    with Image.open(drawn) as image:
        image.quantize(colours, method=Image.Quantize.FASTOCTREE).save(png, "png", optimize=True)
    return base64.b64encode(png.getvalue()).decode()
