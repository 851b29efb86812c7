# Every target sets itself up: the first run makes .venv from the hash-locked
# requirements, later runs start at once (the stamp is newer than the lock).
PYTHON ?= python3.11
PY := .venv/bin/python
READY := .venv/.ready
# Without compiled modules every start would take seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve test lint bench lock docs clean help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(READY)  ## build the demo portfolio and run everything locally, no token, no key
	@$(PY) -m bot demo

serve: $(READY)  ## run against a real Slack workspace with the settings of the environment or .env
	@$(PY) -m bot serve

test: $(READY)  ## all tests
	@$(PY) -m pytest -q -n 2 --dist loadfile tests --ignore=tests/benchmarks

lint: $(READY)  ## ruff (style and format) and mypy (types)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

bench: $(READY)  ## every benchmark of tests/benchmarks, figures on standard output
	@$(PY) -m pytest -q -s tests/benchmarks

docs: $(READY)  ## rewrite the generated parts of README.md and docs/
	@$(PY) -m tests.docs

lock: $(READY)  ## resolve pyproject.toml again into requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --group dev --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:  ## remove the virtual environment and the local data
	rm -rf .venv .data

# uv is fetched by pip into the environment itself, then installs the rest in seconds.
$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "Tend needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@.venv/bin/uv pip install --quiet --require-hashes --python $(PY) -r requirements.lock
	@touch $(READY)
