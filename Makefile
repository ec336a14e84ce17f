# Midnight. `make` alone lists the targets; most call the command `midnight` (docs/commands.md).
# Needs Python 3.11 or newer; everything else comes from the package index.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Some container images set it. Then each process compiles all that it imports again: Airflow's scheduler needs 5.7
# instead of 2.4 s of processor time until it starts, a Spark job 3.1 instead of 0.9 s.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
# Touched after an install, so that the next command costs nothing.
RUN_STAMP := .venv/.installed-run
DEV_STAMP := .venv/.installed-dev
SCAN_STAMP := .venv/scan/.installed
DOCS_ENVIRONMENT := build/docs-environment
DOCS_STAMP := $(DOCS_ENVIRONMENT)/.installed
MIDNIGHT := $(BIN)/python -m cli
# Without an installation nothing can be running.
IF_INSTALLED := test -x $(BIN)/python || { echo "nothing is installed yet: make up"; exit 0; };

$(RUN_STAMP): requirements.txt requirements-uv.txt
	@$(PYTHON) tools/bootstrap.py requirements.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt requirements-uv.txt
	@$(PYTHON) tools/bootstrap.py requirements-dev.txt
	@touch $@ $(RUN_STAMP)

$(SCAN_STAMP): requirements-scan.txt requirements-uv.txt | $(DEV_STAMP)
	@$(PYTHON) tools/bootstrap.py requirements-scan.txt .venv/scan
	@touch $@

# Not below .venv: the pages do not need it, and would be removed with it.
$(DOCS_STAMP): requirements-docs.txt requirements-uv.txt
	@mkdir -p build
	@$(PYTHON) tools/bootstrap.py requirements-docs.txt $(DOCS_ENVIRONMENT)
	@touch $@

.PHONY: help up run night status down reset init check build publish query doctor synapse test test-unit coverage test-fast test-airflow prove-spark-sql prove-increments prove-late-commits prove-interruptions prove-expectations prove-values prove-lineage prove-incidents lint scan \
  terraform-fmt terraform-validate format bench lock docs wheel publish-wheel publish-power-bi

help: ## this page
	@echo "Midnight: every night from PostgreSQL to an Azure lakehouse; here on one machine"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.12            another interpreter"
	@echo "  MIDNIGHT_AIRFLOW_PORT=8081   another port (source: MIDNIGHT_SOURCE_PORT)"
	@echo "  MIDNIGHT_HOME=.midnight-2    another instance; .env.example has all variables"

up: $(RUN_STAMP) ## start everything, run the pipeline, show the outcome
	@$(MIDNIGHT) up

run: $(RUN_STAMP) ## run the pipeline now on the running instance
	@$(MIDNIGHT) run

night: $(RUN_STAMP) ## add one day to the demo source; run the pipeline
	@$(MIDNIGHT) night

status: ## services, last runs, last ledger, disk use
	@$(IF_INSTALLED) $(MIDNIGHT) status

down: ## stop all processes; the data stays
	@$(IF_INSTALLED) $(MIDNIGHT) down

reset: ## stop all processes and remove the instance with its data
	@$(IF_INSTALLED) $(MIDNIGHT) reset

# Neither make nor a shell interprets SOURCE and SQL, which reach the command through its environment.
init: override export SOURCE := $(value SOURCE)
init: $(RUN_STAMP) ## configuration for your database: SOURCE=postgresql://…
	@$(MIDNIGHT) init

check: $(RUN_STAMP) ## every problem of every configuration file: [FORMAT=json]
	@$(MIDNIGHT) check

build: $(RUN_STAMP) ## build gold from the current silver, not published: [MODEL=name]
	@$(MIDNIGHT) build

publish: $(RUN_STAMP) ## check, and point the local views at the newest build
	@$(MIDNIGHT) publish

query: override export SQL := $(value SQL)
query: $(RUN_STAMP) ## query the local views: SQL="SELECT …" [FORMAT=json|csv]
	@$(MIDNIGHT) query

doctor: $(RUN_STAMP) ## check the setup, with a hint for each problem
	@$(MIDNIGHT) doctor

synapse: $(RUN_STAMP) ## set up Synapse as you: ENVIRONMENT= SERVER= ACCOUNT=
	@$(MIDNIGHT) synapse --environment "$(ENVIRONMENT)" --server "$(SERVER)" --account "$(ACCOUNT)"

test: $(DEV_STAMP) ## all tests (about 21 minutes on two cores)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

test-unit: $(DEV_STAMP) ## the unit tests (under a minute on two cores)
	@$(BIN)/python -m pytest tests/unit -m "not spark and not airflow and not slow" -n 2 --dist loadfile --quiet

coverage: $(DEV_STAMP) ## coverage of each package by the tests of test-fast; files: build/coverage.xml
	@$(BIN)/python -m pytest -m "not spark and not airflow and not slow" -n 2 --dist loadfile --quiet \
	  --cov=midnight --cov=midnight_airflow --cov=spark_jobs --cov=cli \
	  --cov-report=xml:build/coverage.xml --cov-report=json:build/coverage.json
	@$(BIN)/python -m tools.coverage_table build/coverage.json build/coverage.md

test-fast: $(DEV_STAMP) ## the tests without Apache Spark and without Airflow services
	@$(BIN)/python -m pytest -m "not spark and not airflow and not slow"

test-airflow: $(DEV_STAMP) ## the tests of the DAG files with another Airflow: AIRFLOW=3.3.0 [CONSTRAINTS=file or address]
	@PYTHONPATH=.:plugins $(BIN)/python -m tools.airflow_version "$(AIRFLOW)" \
	  $(if $(CONSTRAINTS),--constraints "$(CONSTRAINTS)")

prove-spark-sql: $(DEV_STAMP) ## compare Sail with Apache Spark, write the list of equal results (half an hour)
	@PYTHONPATH=.:plugins nice -n 5 $(BIN)/python -m tools.spark_sql_proof
	@PYTHONPATH=.:plugins $(BIN)/python -m tools.generated_files

prove-increments: $(DEV_STAMP) ## random runs against whole builds (an hour): [SEED=1] [COUNT=500] [RUNS=5] [ENGINE=spark]
	@PYTHONPATH=.:plugins nice -n 5 $(BIN)/python -m tests.support.run_sequences --seed $(or $(SEED),1) \
	  --count $(or $(COUNT),500) --runs $(or $(RUNS),5) --engine $(or $(ENGINE),sail)

prove-late-commits: $(DEV_STAMP) ## random concurrent writers against incremental reads (half an hour): [SEED=1] [COUNT=1000]
	@PYTHONPATH=.:plugins nice -n 5 $(BIN)/python -m tests.support.late_commits --seed $(or $(SEED),1) \
	  --count $(or $(COUNT),1000)

prove-interruptions: $(DEV_STAMP) ## seeded faults (kills, restarts, full disks, …); silver equals the source (half an hour): [SEED=1] [COUNT=300]
	@PYTHONPATH=.:plugins nice -n 5 $(BIN)/python -m tests.support.interruptions --seed $(or $(SEED),1) --count $(or $(COUNT),300)

prove-expectations: $(DEV_STAMP) ## learnt expectations on 60 simulated runs and 20 incidents (ten minutes): [SEEDS=20]
	@PYTHONPATH=.:plugins nice -n 5 $(BIN)/python -m tests.support.expectations_backtest --seeds $(or $(SEEDS),20)

prove-values: $(DEV_STAMP) ## seeded faults in silver and gold, each found with its key: [SEEDS=100] [ROWS=1000000]
	@MIDNIGHT_FAULT_SEEDS=$(or $(SEEDS),100) MIDNIGHT_FAULT_ROWS=$(or $(ROWS),1000000) PYTHONPATH=.:plugins \
	  nice -n 5 $(BIN)/python -m pytest -q -s tests/integration/spark/test_fault_campaign.py

prove-lineage: $(DEV_STAMP) ## drop every source column in turn; what breaks is what the lineage predicts (minutes)
	@MIDNIGHT_LINEAGE_COLUMNS=all nice -n 5 $(BIN)/python -m pytest -q tests/unit/midnight/lineage/test_dropped_columns.py \
	  tests/integration/postgres/test_init_lineage.py

prove-incidents: $(DEV_STAMP) ## bring about the incidents of docs/incidents.md, follow each alert's hint (twenty minutes)
	@MIDNIGHT_PROVE_INCIDENTS=1 nice -n 5 $(BIN)/python -m pytest -q -s tests/system/test_incidents.py \
	  tests/integration/azure/test_incidents.py

lint: $(DEV_STAMP) ## formatting, lint, types, import contracts, vocabulary, T-SQL, YAML
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PYTHONPATH=plugins:. $(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python -m tools.vocabulary
	@$(BIN)/sqlfluff lint --dialect tsql include/sql/serving
	@$(BIN)/yamllint --strict .

scan: $(SCAN_STAMP) ## security policies of infra/
	@.venv/scan/bin/checkov --directory infra --config-file infra/.checkov.yaml

docs: $(DOCS_STAMP) ## the pages as a site, in build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=true $(DOCS_ENVIRONMENT)/bin/mkdocs build --strict --quiet
	@echo "build/site/index.html"

terraform-fmt: ## layout of infra/, by terraform, by tofu, or by the formatter in both (needs Go)
	@if command -v terraform > /dev/null; then terraform fmt -check -diff -recursive infra; \
	elif command -v tofu > /dev/null; then tofu fmt -check -diff -recursive infra; \
	else for file in infra/*.tf infra/tests/*.hcl; do \
	  go run github.com/hashicorp/hcl/v2/cmd/hclfmt@v2.24.0 -require-no-change "$$file" > /dev/null || exit 1; done; fi
	@echo "infra/ has terraform's layout"

terraform-validate: ## terraform validate, and plans against mocked providers; needs HashiCorp's registry
	@terraform -chdir=infra init -backend=false -input=false > /dev/null
	@terraform -chdir=infra validate
	@terraform -chdir=infra test

format: $(DEV_STAMP) ## let ruff write the formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(DEV_STAMP) ## many new values of every type, read back and compared by PostgreSQL (minutes)
	@MIDNIGHT_TYPE_VALUES=$(or $(VALUES),300) $(BIN)/python -m pytest -q --timeout=3600 \
		tests/integration/postgres/test_type_round_trips.py

bench: $(DEV_STAMP) ## benchmarks, each next to its reference
	@$(BIN)/python -m benchmarks

lock: $(DEV_STAMP) ## renew requirements*.txt from requirements*.in
	@$(BIN)/python tools/lock.py

wheel: $(DEV_STAMP) ## the wheel for Databricks, in dist/
	@$(MIDNIGHT) wheel

publish-power-bi: $(RUN_STAMP) ## publish model and report: SERVER=… WORKSPACE=… (docs/power-bi.md)
	@$(MIDNIGHT) publish-power-bi --server "$(SERVER)" $(if $(WORKSPACE),--workspace "$(WORKSPACE)")

publish-wheel: $(DEV_STAMP) ## upload the wheel: TO=/Workspace/midnight-wheels
	@$(MIDNIGHT) publish-wheel $(if $(TO),"$(TO)")
