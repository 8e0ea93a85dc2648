"""Load 150 rows, fit, evaluate: a script of three steps."""

from zenbook import pipeline, step


@step
def load(rows=150):
    from sklearn.datasets import load_iris

    data = load_iris()
    return {"X": data.data[:rows], "y": data.target[:rows]}


@step
def fit(data, c=1.0):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=500).fit(data["X"], data["y"])


@step
def evaluate(model, data):
    return float(model.score(data["X"], data["y"]))


@pipeline
def training(rows=150, c=1.0):
    data = load(rows)
    evaluate(fit(data, c), data)


if __name__ == "__main__":
    print(training().metrics["evaluate"])
