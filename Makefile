# Every target makes .venv by itself. PYTHON=… chooses the interpreter, PYTEST="…" adds to pytest's arguments.
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO := .venv/.zenbook-demo
TEST := .venv/.zenbook-test
TSC := .cache/npm/node_modules/.bin/tsc
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
export JUPYTER_PREFER_ENV_PATH := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo lab test lint docs coverage pictures bench clean ruff format types imports javascript debian npm airflow mlflow ipykernel pytest

help: ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(DEMO) ## Run the quickstart notebook in a real kernel and show what happened
	@$(BIN)/python notebooks/run_demo.py

lab: $(DEMO) ## Open the notebooks in JupyterLab on this machine
	@$(BIN)/python -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks \
		$(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),,--no-browser) \
		$(if $(filter 0,$(shell id -u)),--allow-root)

test: $(TEST) ## Check everything: lint, types, imports, docs, tests and notebooks
	@$(MAKE) --no-print-directory --keep-going debian npm airflow mlflow ipykernel ruff format types imports javascript docs pytest

lint: $(TEST) ## Check style, types and the order of imports
	@$(MAKE) --no-print-directory --keep-going npm ruff format types imports javascript

docs: $(TEST) ## Build the documentation with its API reference into .cache/site
	@$(BIN)/mkdocs build --strict --quiet

coverage: $(TEST) ## Measure which lines the tests reach (those without servers and browsers)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q --cov --cov-report=term tests/core tests/stack tests/formats tests/display \
		tests/engine tests/history tests/cli tests/exporters tests/test_cache_never_lies.py tests/test_same_code_everywhere.py

pictures: $(TEST) debian ## Take the screenshots of README and docs again, from a real JupyterLab
	@$(BIN)/python -m tests.pictures $(SCENES)

bench: $(TEST) mlflow ## Measure speed against the figures that zenbook promises
	@$(BIN)/python -m benchmarks

clean: ## Remove what the other targets made, except .venv
	rm -rf .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

debian:
	@tests/setup/debian.sh

airflow:
	@tests/setup/airflow.sh

mlflow: # what a benchmark is compared with
	@tests/setup/mlflow.sh

npm: # after debian, which may bring npm
	@tests/setup/npm.sh

ipykernel:
	@tests/setup/ipykernel.sh

ruff:
	$(BIN)/ruff check .

format:
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports --no-logo

javascript: # after npm, which brings tsc
	@if [ -x $(TSC) ]; then $(TSC) -p jsconfig.json; else \
		echo "JavaScript was not checked: npm is not installed (make debian installs it where apt is usable)."; test -z "$$CI"; fi

pytest:
	XDG_CONFIG_HOME="$$PWD/.cache/config" PYTHON_KEYRING_BACKEND=keyring.backends.fail.Keyring \
	$(BIN)/python -m pytest -n 2 --dist loadfile tests $(PYTEST) $(if $(NOTEBOOKS),notebooks \
		--nbval --nbval-current-env --nbval-cell-timeout=300 --nbval-sanitize-with=notebooks/nbval_sanitize.cfg)

$(DEMO): pyproject.toml constraints.txt
	@tests/setup/venv.sh .venv
	@echo "Installing zenbook and JupyterLab into .venv (a few minutes the first time)"
	@$(PIP) -e ".[notebook,demo]"
	@touch $@

$(TEST): pyproject.toml constraints.txt
	@tests/setup/venv.sh .venv
	@echo "Installing zenbook and the test tools into .venv (a few minutes the first time)"
	@$(PIP) -e ".[test]"
	@touch $@ $(DEMO)
