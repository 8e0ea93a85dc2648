#!/bin/sh
# Makes the environments in which the tests run Airflow, each a virtual environment of its own: Airflow 2 needs another
# SQLAlchemy than zenbook, and neither has zenbook in it. Says what is missing where one can't be made; tests that need
# it skip themselves, and fail under CI=true.
set -eu
here=$(dirname "$0")
cache=${1:-.cache}
mkdir -p "$cache"

make_one() {
    venv=$cache/airflow-$1 wanted=$2
    stamp=$venv/.zenbook-airflow
    [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && return 0
    "$here/venv.sh" "$venv" || { echo "Not made: $venv"; return 0; }
    echo "Installing $wanted into $venv (a few minutes the first time)"
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wanted"; then
        echo "$wanted" >"$stamp"
    else
        echo "Not installed: $wanted on $("$venv/bin/python" --version)"
    fi
}

make_one 3 "apache-airflow>=3.1"
make_one 2 "apache-airflow>=2.11,<3"
