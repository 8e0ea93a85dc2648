"""The script `iris_zenbook` as plain functions whose results go through pickle files."""

import pickle
from pathlib import Path


def load(rows=150):
    from sklearn.datasets import load_iris

    data = load_iris()
    return {"X": data.data[:rows], "y": data.target[:rows]}


def fit(data, c=1.0):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=500).fit(data["X"], data["y"])


def evaluate(model, data):
    return float(model.score(data["X"], data["y"]))


def stored(value, name):
    Path(name).write_bytes(pickle.dumps(value, protocol=5))
    return pickle.loads(Path(name).read_bytes())


if __name__ == "__main__":
    data = stored(load(), "data.pickle")
    model = stored(fit(data), "model.pickle")
    print(stored(evaluate(model, data), "accuracy.pickle"))
