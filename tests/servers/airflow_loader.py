"""Run by Airflow's own interpreter: load the dags folder, run some DAGs by `dag.test()`, and print what was found."""

import contextlib
import importlib
import json
import os
import sys
import warnings

configurations = json.loads(sys.argv[1])
folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

with contextlib.suppress(ImportError):  # what Airflow imports itself on first use is no file's doing
    importlib.import_module("airflow.providers.standard.operators.bash")
with contextlib.suppress(ImportError):
    importlib.import_module("airflow.operators.bash")
DagBag(folder + "/nothing")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bag = DagBag(folder)
result = {
    "errors": dict(bag.import_errors),
    "seconds": {stats.file: stats.duration.total_seconds() for stats in bag.dagbag_stats},
    "dags": {key: sorted(dag.task_ids) for key, dag in bag.dags.items()},
    "warnings": [str(warning.message) for warning in caught if warning.filename.startswith(folder)],
    "states": {},
    "zenbook": "zenbook" in sys.modules,
}
for key, conf in configurations.items():
    try:
        run = bag.dags[key].test(run_conf=conf)
        result["states"][key] = str(getattr(run.state, "value", run.state))
    except Exception as error:
        result["states"][key] = f"{type(error).__name__}: {error}"
print("\nfound: " + json.dumps(result), flush=True)
