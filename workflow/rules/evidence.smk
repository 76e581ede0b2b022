"""Ledger, tables and figures of a suite from its tidy tables; captions are those of workflow/report/captions."""

TIDY = expand(layout.TIDY, table=layout.TIDY_TABLES, allow_missing=True)
JUDGED = [*TIDY, layout.CLAIMS]
PUBLISHED_TABLE = expand(layout.PUBLISHED, format=FORMATS)
# Remaking what Git has leaves results/runs to DVC.
PUBLISHED_MARK = [] if FROM_TABLES else [touch(layout.PUBLISHED_MARK)]


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
        # A run that was trained by another plan, or by other statements, confirms nothing.
        planned=json.dumps(provenance.planned()),
        results=results_of,
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
            labels=lambda w: label("tabulate_results", w),
        ),
        expand(layout.TABLE, format=BESIDE_HTML, allow_missing=True),
    log:
        f"{layout.SUITE_LOGS}/tables/{{table}}.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=lambda w: science.of_exhibit(TABLES[w.table]),
        note=lambda w: earlier_code(w.suite),
        results=results_of,
        out=stem,
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
            labels=lambda w: label("draw_figure", w),
        ),
    log:
        f"{layout.SUITE_LOGS}/figures/{{figure}}.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=lambda w: science.of_exhibit(FIGURES[w.figure]),
        results=results_of,
        out=stem,
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
            labels=lambda w: label("tabulate_published", w),
        ),
        [name for name in PUBLISHED_TABLE if not name.endswith("html")],
        *PUBLISHED_MARK,
    log:
        f"{layout.LOGS}/published.log",
    localrule: True
    params:
        code=science.of_step("published"),
        out=stem,
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
            records_of,
            lambda w: evidence(w.suite),
        output:
            layout.SUITE_PROVENANCE,
        log:
            f"{layout.SUITE_LOGS}/record.log",
        localrule: True
        params:
            root=repository,
            spec=origins_of,
        shell:
            "dhel-kcl record --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"
