# make reproduce   everything of the default suite, from the data to the figures
# make test        the tests
# make torture     100 kills of pretraining and 51,000 damaged files (TORTURE_ROUNDS=n, ten kills each; TORTURE_CASES=n a format)
# make bench       speed against named baselines, as ratios with targets, into benchmarks/ (BENCH_ROUNDS=n, alternations)
# make plan        what a suite costs on this machine before it is run: SUITE=paper, PLAN="--device cpu --no-measure"
# make partial     tables and figures of what a suite has so far, in partial/<suite>; the rest is marked as not run
# make figures     ledger, figures and tables of every suite anew from the tidy tables in results/ alone, without any run
# make report      report.html, one page with every figure and table
# make compare     a rerun's metrics against those of a commit (REVISION=HEAD), with tolerances
# make check       whether the committed results were computed with the code in the tree
# make lint        ruff, snakefmt and mypy (Snakemake's own lint is one of the tests)
# make docs        docs/configuration.md from the schemas

SUITE ?= digits
REVISION ?= HEAD
PLAN ?=
BENCH_ROUNDS ?= 5
PYTHON ?= python3
# Make 3.81, as macOS has it, looks for commands in this PATH only if SHELL is set.
SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: reproduce test torture bench plan partial figures report compare check lint docs install

reproduce: install
	dvc repro

test: install
	pytest

torture: install
	pytest -m torture

bench: install
	python benchmarks/augment.py --rounds $(BENCH_ROUNDS) --output benchmarks/augment.csv
	python benchmarks/step.py --rounds $(BENCH_ROUNDS) --output benchmarks/step.csv
	python benchmarks/losses.py --rounds $(BENCH_ROUNDS) --output benchmarks/losses.csv --memory benchmarks/memory.csv
	python benchmarks/absolute.py --rounds $(BENCH_ROUNDS) --output benchmarks/absolute.csv
	python benchmarks/summary.py --folder benchmarks

plan: install
	python -m dhel_kcl.plan --root . --suite $(SUITE) $(PLAN)

partial: install
	python -m dhel_kcl.partial --root . --suite $(SUITE) --out partial/$(SUITE)

figures: install
	snakemake --cores all --config from_tables=True --forceall

# Snakemake has no metadata of files that came with Git, and warns of each.
report: install
	set -o pipefail; snakemake --cores 1 --config from_tables=True --report report.html --report-stylesheet workflow/report/style.css 2>&1 | grep -v '^Missing metadata for file'

compare: install
	python -m dhel_kcl.compare --revision $(REVISION) results/$(SUITE)/metrics.json

check: install
	python -m dhel_kcl.stamp --root . --suite $(SUITE) --check results/$(SUITE)/provenance.json
	python -m dhel_kcl.stamp --theory --check results/theory/provenance.json

lint: install
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy

docs: install
	python -m dhel_kcl.config --root . > docs/configuration.new
	mv docs/configuration.new docs/configuration.md

install: .venv/installed

.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "$(PYTHON) is older than 3.11; use make PYTHON=python3.11" && exit 1)
	test -d .venv || $(PYTHON) -m venv .venv
	python -m pip install --disable-pip-version-check --constraint requirements.lock --editable '.[pipeline,test]'
	touch .venv/installed
