"""Run by Airflow's own interpreter: load the dags folder, run some DAGs by `dag.test()`, and print what was found."""

import contextlib
import importlib
import json
import os
import sys
import warnings

wanted = json.loads(sys.argv[1])
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
found = {
    "errors": dict(bag.import_errors),
    "seconds": {one.file: one.duration.total_seconds() for one in bag.dagbag_stats},
    "dags": {key: sorted(dag.task_ids) for key, dag in bag.dags.items()},
    "warnings": [str(one.message) for one in caught if one.filename.startswith(folder)],
    "states": {},
    "zenbook": "zenbook" in sys.modules,
}
for key, conf in wanted.items():
    try:
        run = bag.dags[key].test(run_conf=conf)
        found["states"][key] = str(getattr(run.state, "value", run.state))
    except Exception as error:
        found["states"][key] = f"{type(error).__name__}: {error}"
print("\nfound: " + json.dumps(found), flush=True)
