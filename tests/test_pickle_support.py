"""Pickles name functions of zenbook by path: the paths of earlier layouts lead to where the functions are now."""

import pickle
import subprocess
import sys

import pytest

import zenbook
from zenbook import pickle_support


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("zenbook.runs.formats.by_source", "resolve", pickle_support.resolve),
        ("zenbook.runs.formats.figures", "restore_figure", pickle_support.restore_figure),
        ("zenbook.runs.context", "log_metrics", zenbook.log_metrics),
        ("zenbook.runs.history", "Run.resume", zenbook.Run.resume),
        ("zenbook.core.step", "Step", zenbook.Step),
        ("zenbook.pickle_support", "resolve", pickle_support.resolve),
    ],
)
def test_a_name_is_found_by_its_path_then_and_now(module: str, name: str, value: object) -> None:
    stream = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)]) + name.encode()
    assert pickle_support.load(stream + b"\x93.") is value


def test_large_buffers_are_beside_the_stream() -> None:
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(pickle.PickleBuffer(bytearray(b"abc")), 5, buffer_callback=buffers.append)
    assert bytes(pickle_support.load(memoryview(stream), buffers)) == b"abc"


def test_it_imports_nothing_else_of_zenbook() -> None:
    code = (
        "import sys, zenbook.pickle_support; print(sorted(name for name in sys.modules if name.startswith('zenbook')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['zenbook', 'zenbook.pickle_support']"
