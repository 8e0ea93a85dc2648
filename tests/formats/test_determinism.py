"""The same values give the same bytes in processes with other hash seeds."""

import os
import subprocess
import sys

CODE = """
import hashlib, io
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np, pandas as pd, pyarrow as pa, polars as pl
from zenbook.formats import format_for

frame = pd.DataFrame({"f": np.arange(50) / 3, "i": range(50), "s": ["a", None] * 25})
frame["c"] = pd.Categorical(list("uvwxy") * 10)
frame.attrs = {"tags": {"a", "b", "c", "d"}}
values = [
    {"a", "b", "c", ("d", 1), None}, frozenset("abcdef"), {"x": {"q", "r"}}, "text", b"bytes",
    np.arange(10.0), np.array(["a", "b"]), np.float32(2), frame, frame["s"], frame.set_index("s"), frame["c"],
    pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}),
    pa.table({"a": [1, None], "s": ["x", "y"]}), pl.DataFrame({"a": [1, None], "s": ["x", "y"]}),
    pl.Series("n", ["x", None]),
]
figure, axes = plt.subplots(1, 2)
axes[0].plot([1, 2, 3], label="line")
axes[0].legend()
axes[1].imshow(np.eye(3))
figure.canvas.draw()
values.append(figure)
for value in values:
    file = io.BytesIO()
    form = format_for(value)
    form.write(value, file)
    print(form.name, hashlib.sha256(file.getvalue()).hexdigest())
"""


def test_other_processes_write_the_same_bytes():
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2", "3")
    ]
    seen = {one.communicate()[0] for one in running}
    assert len(seen) == 1
    names = [line.split()[0] for line in seen.pop().splitlines()]
    assert names[:5] == ["json", "json", "json", "text", "bytes"]
    assert len(names) == 17
    assert not any(name.startswith("pickle") for name in names)
