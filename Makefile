SUITE ?= digits
REVISION ?= HEAD
PLAN ?=
BENCH_ROUNDS ?= 5
PYTHON ?= python3
# Make 3.81, as macOS has it, looks for commands in this PATH only if SHELL is set.
SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help reproduce test test-fast torture bench plan interim figures report compare check lint docs install
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

reproduce: install ## everything of the default suite, from the data to the figures
	dvc repro

test: install ## all tests
	pytest --numprocesses 2 --dist loadfile

test-fast: install ## the unit tests without the slow ones, two minutes on two cores
	pytest --numprocesses 2 --dist worksteal -m 'not torture and not slow' tests/unit src

torture: install ## 100 kills of pretraining and 51,000 damaged files (TORTURE_ROUNDS=n, ten kills each; TORTURE_CASES=n a format)
	pytest -m torture

bench: install ## speed against named baselines, as ratios with targets, into benchmarks/ (BENCH_ROUNDS=n, alternations)
	python benchmarks/augment.py --rounds $(BENCH_ROUNDS) --output benchmarks/augment.csv
	python benchmarks/step.py --rounds $(BENCH_ROUNDS) --output benchmarks/step.csv
	python benchmarks/losses.py --rounds $(BENCH_ROUNDS) --output benchmarks/losses.csv --memory benchmarks/memory.csv
	python benchmarks/absolute.py --rounds $(BENCH_ROUNDS) --output benchmarks/absolute.csv
	python benchmarks/summary.py --folder benchmarks

plan: install ## what a suite costs on this machine before it is run: SUITE=paper, PLAN="--device cpu --no-measure"
	dhel-kcl plan --root . --suite $(SUITE) $(PLAN)

interim: install ## tables and figures of what a suite has so far, in interim/<suite>; the rest is marked as not run
	dhel-kcl interim --root . --suite $(SUITE) --out interim/$(SUITE)

figures: install ## ledger, figures and tables of every suite anew from the tidy tables in results/ alone, without any run
	snakemake --cores all --config from_tables=True --forceall

# Snakemake has no metadata of files that came with Git, and warns of each.
report: install ## report.html, one page with every figure and table
	set -o pipefail; snakemake --cores 1 --config from_tables=True --report report.html --report-stylesheet workflow/report/style.css 2>&1 | grep -v '^Missing metadata for file'

compare: install ## a rerun's results against those of a commit (REVISION=HEAD), with tolerances
	dhel-kcl compare --suite $(SUITE) --revision $(REVISION)

check: install ## whether the committed results were computed with the code in the tree
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
	test -d .venv || $(PYTHON) -m venv .venv
	python -m pip install --disable-pip-version-check --constraint requirements.lock --editable '.[pipeline,test]'
	touch .venv/installed
