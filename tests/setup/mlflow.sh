#!/bin/sh
# Makes the environment of MLflow, whose `search_runs` a benchmark is compared with: a virtual environment of its own,
# without zenbook in it. Says what is missing where it can't be made; the test that needs it skips itself, and fails
# under CI=true.
set -eu
here=$(dirname "$0")
venv=${1:-.cache}/mlflow
wanted="mlflow-skinny>=3 sqlalchemy>=2 alembic>=1.13 pandas>=2" # what `search_runs` on SQLite needs; all of MLflow is 0.9 GB
stamp=$venv/.zenbook-mlflow

[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0
"$here/venv.sh" "$venv" || { echo "Not made: $venv"; exit 0; }
echo "Installing $wanted into $venv (a minute the first time)"
if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $wanted; then
    echo "$wanted" >"$stamp"
else
    echo "Not installed: $wanted on $("$venv/bin/python" --version)"
fi
