# Short names for what people do here. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DOCS   := build/docs-venv
ARGS   ?=
ORG    ?= real
WORKERS ?= 2
UNDER_TEST = cd $(CURDIR)/build/under-test && PYTHONPATH=$(CURDIR)/build/site TANDEM_UNDER_TEST=$(CURDIR)/build/site \
	$(CURDIR)/$(BIN)/python -P -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo chaos test test-org prove guards fuzz contract corpus pages site check format bench lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@echo "==> installing the locked dependencies into $(VENV) (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit("Tandem needs Python 3.11, 3.12 or 3.13; name one with PYTHON=…") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed ## Make .venv with the locked dependencies

demo: setup ## The main job on real Kafka, real MongoDB and a simulated org (ARGS="--keep" stays up)
	@$(BIN)/tandem demo $(ARGS)

chaos: setup ## Kill, stop, cut and confuse everything under load, and judge what is left (ARGS="--seed 2"); writes docs/chaos.md
	@$(BIN)/tandem chaos --docs docs $(ARGS)

test: setup check ## Everything: lint, types, imports, then the tests against the built wheel (ARGS="-k name")
	@echo "==> building the wheel"
	@rm -rf build/dist build/site build/under-test && mkdir -p build
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/dist . > build/wheel.log 2>&1 || (cat build/wheel.log; exit 1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/site build/dist/*.whl
	@mkdir -p build/under-test && cp -R tests docs deploy requirements pyproject.toml README.md CHANGELOG.md CONTRIBUTING.md .env.example Makefile Dockerfile .dockerignore docker-compose.yml build/under-test/
	@echo "==> testing the wheel, with the source tree out of reach: all but whole processes, on $(WORKERS) cores"
	@$(UNDER_TEST) -n $(WORKERS) --dist loadfile --ignore=tests/e2e $(ARGS); code=$$?; \
	case $$code in 0|5) ;; *) exit $$code ;; esac; \
	echo "==> and whole processes, one test at a time"; \
	$(UNDER_TEST) --ignore=tests/unit --ignore=tests/properties --ignore=tests/org --ignore=tests/integration $(ARGS); then=$$?; \
	case $$code$$then in 00|05|50) ;; *) exit $$then ;; esac

test-org: setup ## The sandbox or Developer Edition that SALESFORCE_* names: does it behave as ours does? (ORG=simulated)
	@TANDEM_TEST_ORG=$(ORG) $(BIN)/python -m pytest -q tests/org $(ARGS)

prove: setup ## The merge under 100,000 random schedules, 3,000 of them on real stages, then kills at every effect, then owners in 30 orders (ARGS="--only kills")
	@$(BIN)/python tests/prove.py $(ARGS)

guards: setup ## Take out the guard of each failure case and see its test fail (ARGS="--only 07")
	@$(BIN)/python tests/guards.py $(ARGS)

fuzz: setup ## A million broken inputs at every edge (ARGS="--inputs N", "--seed N", "--only cometd")
	@$(BIN)/python tests/fuzz.py $(ARGS)

contract: setup ## Every route of the API asked a hundred right and a hundred wrong things, others each time (ARGS="-k query")
	@$(BIN)/python -m pytest -q --hypothesis-profile=long tests/properties/test_api_contract.py $(ARGS)

corpus: setup ## Keep what this release writes (tests/corpus), for every later release to read
	@$(BIN)/python tests/make_corpus.py $(ARGS)

pages: setup ## Write the pages that are made from the code
	@$(BIN)/python -m ops.pages
	@$(BIN)/python tests/merge_page.py

$(DOCS)/.installed: requirements/docs.txt
	@echo "==> installing the generator of the site into $(DOCS) (once, about half a minute)"
	@$(PYTHON) -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

site: $(DOCS)/.installed ## The pages of docs/ as a site that needs no network, in build/site-docs; a broken link fails
	@rm -rf build/site-docs
	@$(DOCS)/bin/sphinx-build --fresh-env --fail-on-warning --keep-going --nitpicky --quiet -c docs/site -d build/docs-trees docs build/site-docs
	@echo "==> open build/site-docs/index.html"

check: setup ## Lint, types, import directions
	@echo "==> ruff, mypy, import-linter"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure, and write benchmarks/results (PEERS=1: beside MongoDB's Kafka Connect sink)
	@$(BIN)/python -m benchmarks $(if $(PEERS),--peers) $(ARGS)

lock: setup ## Lock the dependencies anew, with hashes and without addresses
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/runtime.txt
	@$(BIN)/uv pip compile pyproject.toml --extra demo --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/demo.txt
	@$(BIN)/uv pip compile pyproject.toml --extra demo --extra chaos --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/dev.txt
	@$(BIN)/uv pip compile --group docs --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/docs.txt

clean: ## Remove what was built, installed and started here
	@rm -rf $(VENV) build dist .tandem .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
