"""Ledger, tables and figures of a suite from its tidy tables; captions are those of workflow/report/captions."""

TIDY = expand(layout.TIDY, table=layout.TIDY_TABLES, allow_missing=True)
JUDGED = [*TIDY, layout.CLAIMS]
PUBLISHED_TABLE = expand(layout.PUBLISHED, format=FORMATS)

# Where the report shows what is no mere table or figure; it sorts by name, so claims come first.
SHELVES = {"claims": ("claims", "{suite}"), "claims_summary": ("claims", "{suite}"), "recipe": ("{suite}", "methods")}
SHELVES |= {name: ("{suite}", "runs") for name in ("costs", "runs", "training_curves")}


def shelf(name, usual, level):
    """Category (level 0) or subcategory (level 1) of a figure or table in the report."""
    return SHELVES.get(name, ("{suite}", usual))[level]


def sample_sizes(suite):
    """What n is in the figures and tables of a suite, for their captions."""
    texts = []
    for dataset in suite.datasets:
        settings, trade_off = suite.settings(dataset), suite.config.trade_off
        seeds = [f"{1 + len(settings.seeds.selected)} at selected settings, 1 at other grid points"]
        if trade_off and dataset in trade_off.datasets:
            seeds.append(f"{len(trade_off.seeds)} on trade-off curves")
        seeds.append(f"{len(settings.floors.seeds)} for floors (raw pixels 1)")
        texts.append(f"{dataset_title(dataset)}, seeds {', '.join(seeds)}; {settings.split.test} test images")
    return ". ".join(texts)


def earlier_code(name):
    """What readers must know of results that were computed before a change of the code; nothing if there was none.
    Only where the graph begins with the tidy tables: it makes the runs anew otherwise."""
    return origins.earlier_code(Path(layout.SUITE_PROVENANCE.format(suite=name)), SUITES[name]) if FROM_TABLES else ""


def caption(name, suite=None):
    """Text under a figure or table in the report."""
    text = (ROOT / f"workflow/report/captions/{name}.rst").read_text(encoding="utf-8")
    if suite is None:
        return text
    note = earlier_code(suite)
    return text.replace("{n}", sample_sizes(SUITES[suite])) + (f"\n{note}\n" if note else "")


def embedded(image):
    """URI that holds a PNG, for the opening page of the report; in lines, since reStructuredText limits their length."""
    return f"data:image/png;base64,{encodebytes(Path(image).read_bytes()).decode().rstrip()}"


rule judge_claims:
    input:
        TIDY,
    output:
        layout.CLAIMS,
    log:
        f"{layout.SUITE_LOGS}/judge.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=science.of_step("judge"),
        results=lambda w: layout.RESULTS.format(**w),
    shell:
        "dhel-kcl judge --root {params.root:q} --suite {wildcards.suite} --results {params.results:q} --out {output:q} "
        "> {log:q} 2>&1"


rule tabulate_results:
    input:
        JUDGED,
    output:
        report(
            layout.TABLE.replace("{format}", "html"),
            caption="../report/caption.rst",
            category=lambda w: shelf(w.table, "tables", 0).format(**w),
            subcategory=lambda w: shelf(w.table, "tables", 1).format(**w),
            labels=lambda w: {"table": w.table.replace("_", " ")},
        ),
        expand(layout.TABLE, format=[name for name in FORMATS if name != "html"], allow_missing=True),
    log:
        f"{layout.SUITE_LOGS}/tables/{{table}}.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=lambda w: science.of_table(w.table),
        note=lambda w: earlier_code(w.suite),
        caption=lambda w, output: caption(w.table, w.suite),
        results=lambda w: layout.RESULTS.format(**w),
        out=lambda w, output: Path(output[0]).with_suffix(""),
    shell:
        "dhel-kcl tabulate --root {params.root:q} --suite {wildcards.suite} --results {params.results:q} "
        "--name {wildcards.table} --note={params.note:q} --out {params.out:q} > {log:q} 2>&1"


rule draw_figure:
    input:
        JUDGED,
    output:
        layout.FIGURE.replace("{format}", "pdf"),
        report(
            layout.FIGURE.replace("{format}", "png"),
            caption="../report/caption.rst",
            category=lambda w: shelf(w.figure, "figures", 0).format(**w),
            subcategory=lambda w: shelf(w.figure, "figures", 1).format(**w),
            labels=lambda w: {"figure": w.figure.replace("_", " ")},
        ),
    log:
        f"{layout.SUITE_LOGS}/figures/{{figure}}.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=lambda w: science.of_figure(w.figure),
        caption=lambda w, output: caption(w.figure, w.suite),
        results=lambda w: layout.RESULTS.format(**w),
        out=lambda w, output: Path(output[0]).with_suffix(""),
    shell:
        "dhel-kcl draw --root {params.root:q} --suite {wildcards.suite} --results {params.results:q} "
        "--name {wildcards.figure} --out {params.out:q} > {log:q} 2>&1"


# What others published, whatever has been run here; the suites' own tables of this name set ours beside it.
rule tabulate_published:
    input:
        # Relative where it can be: Snakemake records it, and a clone lies elsewhere. It comes with Git, and so does the
        # table: an input that is newer is then all that tells that the table is out of date.
        os.path.relpath(PUBLISHED),
    output:
        report(
            layout.PUBLISHED.replace("{format}", "html"),
            caption="../report/caption.rst",
            category="published",
            labels={"table": "published by others"},
        ),
        [name for name in PUBLISHED_TABLE if not name.endswith("html")],
    log:
        f"{layout.LOGS}/published.log",
    localrule: True
    params:
        code=science.of_step("published"),
        caption=lambda w, output: caption("published_by_others"),
        out=lambda w, output: Path(output[0]).with_suffix(""),
    shell:
        "dhel-kcl tabulate --published --out {params.out:q} > {log:q} 2>&1"


if FROM_TABLES:

    # The runs, and the tidy tables collected from them, are what they were.
    rule record_evidence:
        input:
            lambda w: evidence(w.suite),
        output:
            update(layout.SUITE_PROVENANCE),
        log:
            f"{layout.SUITE_LOGS}/record.log",
        localrule: True
        params:
            root=repository,
        shell:
            "dhel-kcl record --evidence --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"

else:

    rule record_provenance:
        input:
            lambda w: [f"{run.folder}/provenance.json" for run in SUITES[w.suite].runs if run.trained],
            lambda w: evidence(w.suite),
        output:
            layout.SUITE_PROVENANCE,
        log:
            f"{layout.SUITE_LOGS}/record.log",
        localrule: True
        params:
            root=repository,
            spec=lambda w: json.dumps(origins.of_suite(SUITES[w.suite])),
        shell:
            "dhel-kcl record --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"
