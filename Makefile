SUITE ?= digits
REVISION ?= HEAD
PLAN ?=
BENCH_ROUNDS ?= 5
PYTHON ?= python3
# Make 3.81, as macOS has it, looks for commands in this PATH only if SHELL is set.
SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What hooks, notebooks and users export for other repositories and programs does not reach this one's.
unexport GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_PREFIX
unexport PYTHONHOME PYTHONPATH PYTHONOPTIMIZE PYTHONWARNINGS
unexport PIP_CONSTRAINT PIP_REQUIREMENT PIP_REQUIRE_HASHES PIP_NO_DEPS PIP_DRY_RUN PIP_PYTHON
export PYTHONUTF8 := 1
export MPLBACKEND := agg
# Snakemake and DVC need a home that can be written to and a name, which a container's user may lack.
ifneq ($(shell test -w "$$HOME" && echo there),there)
export HOME := $(CURDIR)/.home
endif
ifneq ($(shell id -un > /dev/null 2>&1 && echo named),named)
export LOGNAME := $(or $(LOGNAME),unnamed)
endif
# Where pip installs to; where it downloads from (index, proxy, certificates) is up to the user's settings.
INTO_VENV := --no-user --target= --root=/ --prefix="$(CURDIR)/.venv"

.PHONY: help reproduce test test-fast torture bench plan interim figures report compare check lint docs install
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

reproduce: install ## everything of the default suite, from the data to the figures
	@if test -e .git; then echo dvc repro; dvc repro; else \
	    echo "no Git repository here, so DVC cannot version the results: snakemake --cores all"; snakemake --cores all; fi

test: install ## the tests that CI runs
	pytest --numprocesses 2 --dist loadfile

test-fast: install ## the unit tests without the slow ones, two minutes on two cores
	pytest --numprocesses 2 --dist worksteal -m 'not torture and not slow' tests/unit src

torture: install ## 100 kills of pretraining and 51,000 damaged files (TORTURE_ROUNDS=n, ten kills each; TORTURE_CASES=n a format)
	pytest -m torture

bench: install ## speed against named baselines, as ratios with targets, into benchmarks/ (BENCH_ROUNDS=n, alternations)
	python benchmarks/augment.py --rounds $(BENCH_ROUNDS) --output benchmarks/augment.csv
	python benchmarks/step.py --rounds $(BENCH_ROUNDS) --output benchmarks/step.csv
	python benchmarks/losses.py --rounds $(BENCH_ROUNDS) --output benchmarks/losses.csv --memory benchmarks/memory.csv
	python benchmarks/probe.py --rounds $(BENCH_ROUNDS) --output benchmarks/probe.csv
	python benchmarks/absolute.py --rounds $(BENCH_ROUNDS) --output benchmarks/absolute.csv
	python benchmarks/summary.py --folder benchmarks

plan: install ## what a suite costs on this machine before it is run: SUITE=cifar10, PLAN="--device cpu --no-measure"
	dhel-kcl plan --root . --suite $(SUITE) $(PLAN)

interim: install ## tables and figures of what a suite has so far, in interim/<suite>; the rest is marked as not run
	dhel-kcl interim --root . --suite $(SUITE) --out interim/$(SUITE)

figures: install ## ledger, figures and tables of every suite anew from the tidy tables in results/ alone, without any run
	snakemake --cores all --config from_tables=True --forceall

# Snakemake has no metadata of files that came with Git, and warns of each.
report: install ## report.html, one page with every figure and table
	set -o pipefail; snakemake --cores 1 --config from_tables=True --report report.html --report-stylesheet workflow/report/style.css 2>&1 | grep -v '^Missing metadata for file' && dhel-kcl dress-report --report report.html --title "DHEL and KCL: what the replication found" --script workflow/report/page.js

compare: install ## a rerun's results against those of a commit (REVISION=HEAD), with tolerances
	dhel-kcl compare --suite $(SUITE) --revision $(REVISION)

check: install ## whether committed results, of a suite (SUITE=digits) and of the theory, were computed with the code in the tree
	dhel-kcl record --root . --suite $(SUITE) --check results/$(SUITE)/provenance.json
	dhel-kcl record --theory --check results/theory/provenance.json

lint: install ## ruff, import-linter, snakefmt and mypy (Snakemake's own lint is one of the tests)
	ruff check .
	ruff format --check .
	lint-imports
	snakefmt --check Snakefile workflow
	mypy

docs: install ## docs/configuration.md from the config's models
	dhel-kcl document > docs/configuration.new
	mv docs/configuration.new docs/configuration.md

install: .venv/installed ## .venv with the locked versions; every other target calls it

.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || (echo "$(PYTHON) is older than 3.11.4; use make PYTHON=python3.11" && exit 1)
	.venv/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv .venv
	python -m pip install --disable-pip-version-check $(INTO_VENV) --constraint requirements.lock --editable '.[pipeline,test]'
	touch .venv/installed
