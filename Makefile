# `make` alone says what there is.
.POSIX:

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --timeout 30

# For `make demo`: the workspace and the question.
DIR = .
Q = merge the user's settings over the defaults
# For `make test`: how many tests run at once, and anything for pytest (for the benchmarks, for them).
JOBS = 2
ARGS =
# For `make security`: --strict fails if something cannot be checked.
STRICT =
# For `make fuzz`: the time for all targets, and names of targets of tests/fuzz/targets.py; none: all.
MINUTES = 15
TARGETS =
# For `make test-editors`: names of tests/editors/install.py; none: all.
EDITORS =
# For `make bench`: the workspaces, and the Python of an environment with semble in it.
REPOS = .
PEER =
# For `make bench-live`: the workspaces by size, such as --small a --mid b --large c.
WORKSPACES = --mid .
# For `make bench-quality`: for each level a data file and the folder of its repositories.
FILES =
SPANS =

# What judges paths, predicates, limits, messages and files that are read back, and the audit log: tests take every branch.
_IN_AND_OUT = */workspace/inside.py,*/workspace/paths.py,*/workspace/secret_files.py,*/lsp/messages.py,*/lsp/frames.py
_KEPT = */own_files.py,*/audit/*,*/storage/lance/predicates.py,*/storage/cleaning.py,*/segments/checks.py
_LIMITS = */limits.py,*/indexing/folder_budget.py,*/indexing/memory_limits.py
GUARDS = $(_IN_AND_OUT),$(_KEPT),$(_LIMITS)

.PHONY: help demo test fuzz test-editors lint lint-editors format bench bench-live bench-quality security lock clean

help:
	@echo 'make demo [DIR=folder] [Q="question"]   start the server on a workspace and ask it'
	@echo 'make test [JOBS=2] [ARGS=...]           lint, types, import rules, security, all tests, coverage'
	@echo 'make fuzz [MINUTES=15] [TARGETS=uris]   any bytes for whatever reads foreign bytes (tests/fuzz)'
	@echo 'make test-editors [EDITORS="emacs"]     the real editors over the real server (docs/editors/README.md)'
	@echo 'make lint-editors                       types, style and unit tests of the VS Code extension'
	@echo 'make lint                               everything of `make test` but the tests'
	@echo 'make security [STRICT=--strict]         scan code, dependencies, licences, secrets; write the SBOM'
	@echo 'make lock                               lock the newest versions of the dependencies'
	@echo 'make format                             format the code, repair what can be repaired'
	@echo 'make bench [REPOS="a b"] [PEER=python]  time and memory (server/benchmarks/README.md)'
	@echo 'make bench-live [WORKSPACES="--mid a"]  live at every scale: edits, branches, crashes (the same README)'
	@echo 'make bench-quality FILES="json dir"     what is found of annotated queries (the same README)'
	@echo 'make clean                              remove the environment and everything built'

demo: $(VENV)/.installed
	@PYTHONPATH=server $(BIN)/python -m benchmarks.demo --data .demo "$(DIR)" "$(Q)"

test: lint security
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=term --cov-fail-under=85 $(ARGS)
	@test -n "$(ARGS)" || $(BIN)/python -m coverage report --include='$(GUARDS)' --skip-covered --fail-under=100

fuzz: $(VENV)/.developing
	nice $(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(TARGETS)

test-editors: lint-editors $(VENV)/.editing
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m tests.editors.install $(EDITORS)
	CONEXUS_EDITORS_REQUIRED="$(EDITORS)" $(BIN)/python -m pytest tests/editors $(ARGS)

# The extension's types, style and unit tests. What checks the Neovim plugin is installed with the editors.
lint-editors: editors/vscode/node_modules/.package-lock.json
	cd editors/vscode && npm run --silent lint && npm test --silent

# The scanners are checked, too, so what they import is installed.
lint: $(VENV)/.securing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p conexus -p benchmarks -p scanners
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

# A scanner that cannot reach its database says "not checked" and does not fail, unless --strict is given.
security: $(VENV)/.securing
	@PYTHONPATH=server $(BIN)/python -m scanners $(STRICT)

lock: $(VENV)/.securing
	$(BIN)/uv pip compile pyproject.toml --upgrade --generate-hashes --no-annotate --quiet \
		--python-version 3.11 --python-platform x86_64-unknown-linux-gnu \
		--custom-compile-command 'make lock' --output-file .ci/requirements.txt

format: $(VENV)/.developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	@PYTHONPATH=server $(BIN)/python -m benchmarks.latency $(REPOS) \
		$$(test -z "$(PEER)" || echo --peer-python "$(PEER)") --out server/benchmarks/results/latency.json

bench-live: $(VENV)/.installed
	@PYTHONPATH=server $(BIN)/python -m benchmarks.live all $(WORKSPACES) \
		$$(test -z "$(PEER)" || echo --peer-python "$(PEER)") $(ARGS) \
		--out server/benchmarks/results/live.json --plot server/benchmarks/results/live.png

bench-quality: $(VENV)/.installed
	@PYTHONPATH=server $(BIN)/python -m benchmarks.quality \
		$$(test -z "$(FILES)" || echo --level file $(FILES)) $$(test -z "$(SPANS)" || echo --level span $(SPANS)) \
		$$(test -z "$(PEER)" || echo --peer-python "$(PEER)") $(ARGS) \
		--out server/benchmarks/results/quality.json --plot server/benchmarks/results/quality.png

clean:
	rm -rf $(VENV) .demo .editors .coverage .coverage.* htmlcov build dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Conexus needs Python 3.11 or newer: make PYTHON=/path/to/python ...' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo 'No virtual environment could be made; on Debian and Ubuntu install python3-venv.' >&2; exit 1; }

editors/vscode/node_modules/.package-lock.json: editors/vscode/package-lock.json
	cd editors/vscode && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/.installed: pyproject.toml $(BIN)/python
	@echo 'Installing into $(VENV): some 150 MB are downloaded the first time ...'
	@{ $(PIP) install --upgrade 'pip>=25.1' && $(PIP) install --editable .; } >$(VENV)/pip.log 2>&1 || { \
		echo 'The packages could not be downloaded or installed; $(VENV)/pip.log says why.' >&2; exit 1; }
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo 'Installing what development needs ...'
	@$(PIP) install --group dev >$(VENV)/pip.log 2>&1 || { \
		echo 'The packages could not be downloaded or installed; $(VENV)/pip.log says why.' >&2; exit 1; }
	@touch $@

$(VENV)/.securing: $(VENV)/.developing
	@echo 'Installing what scans this repository ...'
	@$(PIP) install --group security >$(VENV)/pip.log 2>&1 || { \
		echo 'The packages could not be downloaded or installed; $(VENV)/pip.log says why.' >&2; exit 1; }
	@touch $@

$(VENV)/.editing: $(VENV)/.developing
	@echo 'Installing what drives editors ...'
	@$(PIP) install --group editors >$(VENV)/pip.log 2>&1 || { \
		echo 'The packages could not be downloaded or installed; $(VENV)/pip.log says why.' >&2; exit 1; }
	@touch $@
