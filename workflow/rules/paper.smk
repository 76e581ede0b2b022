TIDY = expand(
    "results/{{suite}}/{table}.csv",
    table=["runs", "epochs", "spectra", "similarities", "costs"],
)


rule combine_results:
    input:
        records,
    output:
        TIDY,
        "results/{suite}/metrics.json",
    log:
        "logs/{suite}/combine.log",
    params:
        root=repository,
        spec=lambda w: SUITES[w.suite].digest(),
        code=digest.of_step("combine"),
    shell:
        "python -m dhel_kcl.combine --root {params.root:q} --suite {wildcards.suite} "
        "--out results/{wildcards.suite} > {log:q} 2>&1"


rule make_table:
    input:
        TIDY,
    output:
        report(
            "paper_figures/{suite}/{table}.csv",
            caption="../report/{table}.rst",
            category="{suite}: tables",
            labels={"table": "{table}"},
        ),
        "paper_figures/{suite}/{table}.md",
        "paper_figures/{suite}/{table}.tex",
    log:
        "logs/{suite}/tables/{table}.log",
    wildcard_constraints:
        table="[a-z_]+",
    params:
        root=repository,
        spec=lambda w: SUITES[w.suite].digest(),
        code=digest.of_step("table"),
    shell:
        "python -m dhel_kcl.table --root {params.root:q} --suite {wildcards.suite} --results results/{wildcards.suite} "
        "--name {wildcards.table} --out paper_figures/{wildcards.suite}/{wildcards.table} > {log:q} 2>&1"


rule draw_figure:
    input:
        TIDY,
    output:
        "paper_figures/{suite}/{figure}.pdf",
        report(
            "paper_figures/{suite}/{figure}.png",
            caption="../report/{figure}.rst",
            category="{suite}: figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/{suite}/figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(FIGURES),
    params:
        root=repository,
        spec=lambda w: SUITES[w.suite].digest(),
        code=lambda w: digest.of_step(f"figures.{w.figure}"),
    shell:
        "python -m dhel_kcl.figures.{wildcards.figure} --root {params.root:q} --suite {wildcards.suite} "
        "--results results/{wildcards.suite} --out paper_figures/{wildcards.suite}/{wildcards.figure} > {log:q} 2>&1"


rule stamp_provenance:
    input:
        records,
        lambda w: expand("paper_figures/{suite}/{figure}.pdf", suite=w.suite, figure=FIGURES),
        lambda w: expand("paper_figures/{suite}/{table}.csv", suite=w.suite, table=tables_of(SUITES[w.suite])),
    output:
        "results/{suite}/provenance.json",
    log:
        "logs/{suite}/provenance.log",
    params:
        root=repository,
        spec=lambda w: json.dumps(stamp.digests(SUITES[w.suite])),
    shell:
        "python -m dhel_kcl.stamp --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"
