# Short names for what people do here. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test prove pages check format bench lock clean

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

test: setup check ## Everything: lint, types, imports, then the tests against the built wheel (ARGS="-k name")
	@echo "==> building the wheel"
	@rm -rf build/dist build/site build/under-test && mkdir -p build
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/dist . > build/wheel.log 2>&1 || (cat build/wheel.log; exit 1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/site build/dist/*.whl
	@mkdir -p build/under-test && cp -R tests docs pyproject.toml README.md CHANGELOG.md .env.example Makefile build/under-test/
	@echo "==> testing the wheel, with the source tree out of reach"
	@cd build/under-test && PYTHONPATH=$(CURDIR)/build/site TANDEM_UNDER_TEST=$(CURDIR)/build/site $(CURDIR)/$(BIN)/python -P -m pytest $(ARGS)

prove: setup ## The merge under 100,000 random schedules, 3,000 of them on real stages, then kills at every effect (ARGS="--only kills")
	@$(BIN)/python tests/prove.py $(ARGS)

pages: setup ## Write the pages that are made from the code
	@$(BIN)/python -m ops.pages
	@$(BIN)/python tests/merge_page.py

check: setup ## Lint, types, import directions
	@echo "==> ruff, mypy, import-linter"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure, and write benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

lock: setup ## Lock the dependencies anew, with hashes and without addresses
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/runtime.txt
	@$(BIN)/uv pip compile pyproject.toml --extra demo --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/demo.txt
	@$(BIN)/uv pip compile pyproject.toml --extra demo --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --quiet --upgrade -o requirements/dev.txt

clean: ## Remove what was built, installed and started here
	@rm -rf $(VENV) build dist .tandem .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
