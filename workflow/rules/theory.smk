THEORY_TIDY = expand(layout.THEORY_RESULT, experiment=EXPERIMENTS, format=["csv", "json"])
THEORY_EVIDENCE = [
    *expand(layout.THEORY_FIGURE, experiment=EXPERIMENTS, format=layout.FIGURE_FORMATS),
    *expand(layout.THEORY_TABLE, theory_table=THEORY_TABLES, format=FORMATS),
]
THEORY_RECORDS = expand(layout.THEORY_RECORD, experiment=EXPERIMENTS)
# The records are DVC's, like those of runs: Git restores the results, and a bare clone must plan to compute them.
THEORY = [*THEORY_EVIDENCE, *THEORY_RECORDS, *THEORY_TIDY, layout.THEORY_PROVENANCE]


if not FROM_TABLES:

    rule compute_theory:
        output:
            expand(layout.THEORY_RESULT, format=["csv", "json"], allow_missing=True),
            record=layout.THEORY_RECORD,
        log:
            f"{layout.THEORY_LOGS}/{{experiment}}.log",
        threads: 1
        params:
            code=lambda w: science.of_theory(w.experiment),
            out=stem,
        shell:
            "dhel-kcl compute --name {wildcards.experiment} --code {params.code} --out {params.out:q} "
            "--record {output.record:q} > {log:q} 2>&1"

    rule record_theory:
        input:
            THEORY_RECORDS,
            THEORY_EVIDENCE,
        output:
            layout.THEORY_PROVENANCE,
        log:
            f"{layout.THEORY_LOGS}/record.log",
        localrule: True
        params:
            spec=json.dumps(origins.of_theory()),
        shell:
            "dhel-kcl record --theory --out {output:q} > {log:q} 2>&1"

else:

    rule record_theory_evidence:
        input:
            THEORY_EVIDENCE,
        output:
            update(layout.THEORY_PROVENANCE),
        log:
            f"{layout.THEORY_LOGS}/record.log",
        localrule: True
        shell:
            "dhel-kcl record --theory --evidence --out {output:q} > {log:q} 2>&1"


rule draw_theory:
    input:
        layout.THEORY_RESULT.replace("{format}", "csv"),
    output:
        layout.THEORY_FIGURE.replace("{format}", "pdf"),
        report(
            layout.THEORY_FIGURE.replace("{format}", "png"),
            caption="../report/caption.rst",
            category="theory",
            subcategory="figures",
            labels=lambda w: label("draw_theory", w),
        ),
    log:
        f"{layout.THEORY_LOGS}/figures/{{experiment}}.log",
    localrule: True
    params:
        code=lambda w: science.of_theory_figure(w.experiment),
        results=lambda w, input: Path(input[0]).parent,
        out=stem,
    shell:
        "dhel-kcl draw --theory --results {params.results:q} --name {wildcards.experiment} --out {params.out:q} "
        "> {log:q} 2>&1"


rule tabulate_theory:
    input:
        THEORY_TIDY,
    output:
        report(
            layout.THEORY_TABLE.replace("{format}", "html"),
            caption="../report/caption.rst",
            category=lambda w: "theory" if w.theory_table in ("gaps", "local_minima") else "claims",
            subcategory=lambda w: "tables" if w.theory_table in ("gaps", "local_minima") else "theory",
            labels=lambda w: label("tabulate_theory", w),
        ),
        expand(layout.THEORY_TABLE, format=BESIDE_HTML, allow_missing=True),
    log:
        f"{layout.THEORY_LOGS}/tables/{{theory_table}}.log",
    localrule: True
    params:
        code=science.of_step("theory tables"),
        results=lambda w, input: Path(input[0]).parent,
        out=stem,
    shell:
        "dhel-kcl tabulate --theory --results {params.results:q} --name {wildcards.theory_table} --out {params.out:q} "
        "> {log:q} 2>&1"
