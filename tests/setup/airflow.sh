#!/bin/sh
# Makes the environments in which the tests run Airflow, each a virtual environment of its own with an empty database
# beside it: Airflow 2 needs another SQLAlchemy than zenbook, and none has zenbook in it. An older Airflow gets the
# packages of its time. Says what is missing where one can't be made; tests that need it skip themselves, and fail
# under CI=true.
set -eu
cache=${1:-.cache}
bin=$(pwd)/.venv/bin
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

make_one() {
    venv=$cache/airflow-$1 wanted=$2 before=${3:-}
    stamp=$venv/.zenbook-airflow
    [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && [ -f "$venv/home/airflow.db" ] && return 0
    echo "Installing $wanted into $venv"
    if "$bin/uv" venv --quiet --clear --python "$bin/python" "$venv" &&
        "$bin/uv" pip install --quiet --python "$venv/bin/python" ${before:+--exclude-newer "$before"} "$wanted" &&
        env AIRFLOW_HOME="$venv/home" AIRFLOW__CORE__LOAD_EXAMPLES=False PATH="$venv/bin:$PATH" \
            airflow db migrate >"$venv/migrate.log" 2>&1; then
        echo "$wanted" >"$stamp"
    else
        tail -n 5 "$venv/migrate.log" 2>/dev/null || true
        echo "Not installed: $wanted on $("$bin/python" --version)"
    fi
}

# Two at a time: the newest of each, on which everything is tried, then others that load and run DAGs.
make_one 3 "apache-airflow>=3.3" &
make_one 2 "apache-airflow>=2.11,<3" &
wait
make_one 2.9 "apache-airflow==2.9.3" 2024-07-30 &
make_one 2.10 "apache-airflow==2.10.5" 2025-02-20 &
wait
make_one 3.0 "apache-airflow==3.0.6" 2025-09-10 &
make_one 3.1 "apache-airflow==3.1.8" 2026-03-20 &
wait
make_one 3.2 "apache-airflow==3.2.2" 2026-07-15
