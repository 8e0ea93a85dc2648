"""Write a value to a real file and read it back through a map, as runs do."""

import io
from pathlib import Path

import pytest

from zenbook.formats import MappedFile, format_for


class Stored:
    def __init__(self, path: Path, form):
        self.path = path
        self.format = form
        self.bytes = path.read_bytes()

    def load(self):
        return self.format.read(MappedFile(self.path))

    def assert_untouched(self):
        assert self.path.read_bytes() == self.bytes


@pytest.fixture
def store(tmp_path):
    """Store a value in the format that is chosen for it, or in the one given."""
    count = iter(range(1000))

    def store(value, form=None) -> Stored:
        form = form or format_for(value)
        path = tmp_path / f"{next(count)}{form.suffix}"
        with path.open("wb", buffering=0) as file:
            form.write(value, file)
        again = io.BytesIO()
        form.write(value, again)
        assert again.getvalue() == path.read_bytes(), "the same value gave other bytes"
        return Stored(path, form)

    return store
