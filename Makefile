# Everything runs in .venv, which is made and filled on the first call. Needs: Python 3.11 or newer, make.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	if "$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo "$$p"; break; fi; done)

PYTEST_ARGS ?= -n auto -m "not bench and not heavy"
HEAVY_ARGS ?= -n 2 -m heavy
BENCH_ARGS ?=
DIST ?= dist

.PHONY: help demo demo-distributed test heavy lint types arch docs messages bench release check clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     a site with phone login and a simulated Kaleyra; no account needed"
	@echo "make demo-distributed"
	@echo "              the same on PostgreSQL and a broker, with two web servers and two workers"
	@echo "make test     the test suite, on SQLite"
	@echo "make heavy    the tests that take minutes: queues, faults, killed processes; what is not there is skipped"
	@echo "make lint     ruff: rules and format"
	@echo "make types    mypy, strict"
	@echo "make arch     import-linter: who may import whom"
	@echo "make docs     the documentation, to docs/_build/html"
	@echo "make messages the catalogues of translations, from the code; needs GNU gettext"
	@echo "make bench    the benchmarks"
	@echo "make release  what is published, to dist: wheel, sdist, SBOM, checksums"
	@echo "make check    lint, types, arch, docs and test"
	@echo "make clean    remove .venv and whatever the other targets made"
	@echo
	@echo "PYTHON=/path/to/python3 names the interpreter, PYTEST_ARGS=... what pytest is given, BENCH_ARGS=... the benchmarks."

demo: $(VENV)/.stamp-demo
	@exec $(PY) example_project/demo.py

demo-distributed: $(VENV)/.stamp-distributed
	@exec $(PY) example_project/distributed.py

test: $(VENV)/.stamp-dev
	$(PY) -m pytest $(PYTEST_ARGS)

heavy: $(VENV)/.stamp-dev
	$(PY) -m pytest $(HEAVY_ARGS)

lint: $(VENV)/.stamp-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.stamp-dev
	$(PY) -m mypy

arch: $(VENV)/.stamp-dev
	$(VENV)/bin/lint-imports

docs: $(VENV)/.stamp-dev
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# --no-wrap and files without line numbers: a catalogue changes where a text does, and nowhere else.
messages: $(VENV)/.stamp-dev
	cd django_kaleyra_otp && ../$(VENV)/bin/django-admin makemessages \
		--locale en --locale hi --locale it --locale es --locale de --locale fr --locale ar \
		--add-location file --no-obsolete --no-wrap --ignore simulator
	cd django_kaleyra_otp && ../$(VENV)/bin/django-admin compilemessages

bench: $(VENV)/.stamp-dev
	$(PY) -m benchmarks $(BENCH_ARGS)

# What is published: both distributions, what the wheel brings with it as a CycloneDX SBOM, and their checksums.
release: $(VENV)/.stamp-dev
	@if [ -e "$(DIST)" ]; then echo "$(DIST) is there already; 'make clean' removes dist." >&2; exit 1; fi
	$(PY) -m build --outdir "$(DIST)" .
	$(PY) -m venv --without-pip "$(DIST)/.empty"
	$(PIP) --python "$(DIST)/.empty/bin/python" install "$(DIST)"/*.whl
	$(PY) -m cyclonedx_py environment --output-reproducible --pyproject pyproject.toml \
		--mc-type library --output-file "$(DIST)/sbom.cdx.json" "$(DIST)/.empty"
	rm -rf "$(DIST)/.empty"
	cd "$(DIST)" && sha256sum * >SHA256SUMS && cat SHA256SUMS

check: lint types arch docs test

clean:
	rm -rf $(VENV) .tox build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f example_project/*.sqlite3*
	find . -name __pycache__ -prune -exec rm -rf {} +

# .incomplete outlives an interrupted run: what was half made is thrown away by the next one.
# A .venv that somebody else made is used as it is, or left alone.
$(VENV)/.stamp-venv:
	@python="$(PYTHON)"; \
	if [ -e $(VENV)/.incomplete ]; then rm -rf $(VENV); fi; \
	if [ -e $(VENV)/pyvenv.cfg ]; then \
		if ! $(PY) -c '$(NEW_ENOUGH)' 2>/dev/null || ! $(PY) -m pip --version >/dev/null 2>&1; then \
			echo "The $(VENV) here has no Python 3.11 or newer with pip: 'make clean' removes it." >&2; \
			exit 1; \
		fi; \
	else \
		if ! "$${python:-false}" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then \
			found=; \
			for p in $${python:-$(CANDIDATES)}; do \
				if version=$$("$$p" --version 2>&1); then found="$$found$${found:+, }$$version ($$p)"; fi; \
			done; \
			echo "django-kaleyra-otp needs Python 3.11 or newer; found $${found:-none}." >&2; \
			echo "Name another one with: make PYTHON=/path/to/python3 ..." >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		mkdir -p $(VENV) && touch $(VENV)/.incomplete && "$$python" -m venv $(VENV) && rm $(VENV)/.incomplete \
			|| exit 1; \
	fi; \
	touch $@

$(VENV)/.stamp-demo: $(VENV)/.stamp-venv pyproject.toml
	@echo "Installing what the demo needs into $(VENV)"
	@$(PIP) install --editable '.[openapi]'
	@touch $@

$(VENV)/.stamp-distributed: $(VENV)/.stamp-venv pyproject.toml
	@echo "Installing what the demo needs into $(VENV)"
	@$(PIP) install --editable '.[openapi,celery]' 'celery[redis]' gunicorn 'psycopg[binary]'
	@touch $(VENV)/.stamp-demo $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-venv pyproject.toml
	@echo "Installing the tests and tools into $(VENV): a minute or two"
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.stamp-demo $(VENV)/.stamp-distributed $@
