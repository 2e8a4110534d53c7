# Everything happens in .venv, which is made and kept current by what needs it. Only Python 3.11 or newer is required.
.DEFAULT_GOAL := help
.PHONY: help run test chaos fuzz bench screens flows check audit migration lock clean

BIN := .venv/bin
PYTHONS := python3 python3.13 python3.12 python3.11
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
REACH := import requests; requests.get("https://pypi.org/pypi/flask/3.1.0/json", timeout=10).json()["vulnerabilities"]
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.stamp ## Run the whole portal here, with a simulated Evolution API and phone
	@$(BIN)/python -m local.run

# Half as many again as there are processors: many tests wait for other programs. Redis has 16 databases, and each
# process empties its own.
test: .venv/dev.stamp ## Run every test; those in a browser where Chromium is found
	@$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) * 3 // 2)') \
		--maxprocesses 12 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: .venv/dev.stamp ## Break a running portal and all around it, many times over, by seeds: docs/chaos.md
	@PORTAL_CHAOS_REDIS_S=60 PORTAL_CHAOS_LONG=1 $(BIN)/python -m pytest tests/chaos $(ARGS)

fuzz: .venv/dev.stamp ## Try far more made-up input than the tests do, ten minutes for each of its targets
	@PORTAL_FUZZ_SECONDS=$${PORTAL_FUZZ_SECONDS:-600} $(BIN)/python -m pytest tests/fuzz -n auto --maxprocesses 12 -o timeout=0 $(ARGS)
	@PORTAL_FUZZ_EXAMPLES=100 PORTAL_FUZZ_SEED=$$(date +%s) $(BIN)/python -m pytest tests/web_api/test_schemathesis.py $(ARGS)

bench: .venv/dev.stamp ## Measure what the hot paths cost, and their limits beside them: make bench AREAS=receive,send
	@$(BIN)/python -m bench $(if $(AREAS),--areas $(AREAS)) $(ARGS)

screens: .venv/dev.stamp ## Leave pictures of every page, and a list of them, in docs/screens
	@rm -rf docs/screens
	@PORTAL_REQUIRE_BROWSER=1 PORTAL_SCREENS=docs/screens $(BIN)/python -m pytest tests/browser -k "fit" $(ARGS)
	@$(BIN)/python -m tests.browser.screens docs/screens

# Four of the eight looks: each size meets each colour and each language, and each colour each language.
flows: .venv/dev.stamp ## Go through every flow in a browser on a phone and on a desk, light and dark, in both languages
	@for look in "phone dark pt" "desktop light pt" "phone light en" "desktop dark en"; do echo "$$look"; \
		PORTAL_REQUIRE_BROWSER=1 PORTAL_LOOK="$$look" $(BIN)/python -m pytest tests/browser -k "not fit" $(ARGS) || exit 1; done

check: .venv/dev.stamp ## Check form, types, imports and that no secret lies in the tree
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy portal
	@$(BIN)/mypy local
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/architecture/test_secrets_in_tree.py

audit: .venv/dev.stamp ## Look for known holes in what requirements.txt pins
	@if $(BIN)/python -c '$(REACH)' 2>/dev/null; then \
		$(BIN)/pip-audit --disable-pip --require-hashes -r requirements.txt; \
	else echo "skipped: the database of known holes cannot be reached"; fi

migration: .venv/dev.stamp ## Write the next migration from the models: make migration m="add colour"
	@test -n "$(m)" || { echo 'Say what it does: make migration m="add colour"'; exit 1; }
	@$(BIN)/flask --app wsgi db migrate -m "$(m)" \
		--rev-id $$(printf '%04d' $$(( $$(ls migrations/versions/*.py | wc -l) + 1 )))

lock: .venv/dev.stamp ## Pin anew what the requirements*.in files name
	@for name in requirements requirements-local requirements-dev; do \
		$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
			--no-emit-trusted-host --strip-extras --allow-unsafe -o $$name.txt $$name.in || exit 1; done

clean: ## Remove what was made here, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache test-results
	find . -name __pycache__ -not -path './instance/*' -prune -exec rm -rf {} +

.venv/bin/python:
	@found=; for name in $(PYTHONS); do \
		if $$name -c '$(OLD_ENOUGH)' 2>/dev/null; then found=$$name; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer is needed, and none of $(PYTHONS) is that. See https://www.python.org/downloads/"; \
		exit 1; fi; \
	echo "Making .venv with $$($$found --version)"; \
	$$found -m venv .venv || { rm -rf .venv; exit 1; }

.venv/run.stamp: requirements.txt requirements-local.txt | .venv/bin/python
	@echo "Installing what the portal needs"
	@$(INSTALL) -r requirements.txt -r requirements-local.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	@echo "Installing what checks and tests need"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@
