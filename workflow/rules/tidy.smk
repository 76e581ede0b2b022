rule combine_results:
    input:
        records,
    output:
        TIDY,
        "results/{suite}/metrics.json",
    log:
        "logs/{suite}/combine.log",
    localrule: True
    params:
        root=repository,
        spec=lambda w: SUITES[w.suite].digest(),
        code=digest.of_step("combine"),
    shell:
        "python -m dhel_kcl.evidence.collect --root {params.root:q} --suite {wildcards.suite} "
        "--out results/{wildcards.suite} > {log:q} 2>&1"


rule plan_suite:
    output:
        "results/{suite}/plan.csv",
    log:
        "logs/{suite}/plan.log",
    threads: lambda w: SUITES[w.suite].config["threads"]
    resources:
        gpu=lambda w: 0 if SUITES[w.suite].config["device"] == "cpu" else 1,
    params:
        root=repository,
        spec=trainings,
        code=digest.of_step("plan"),
    shell:
        "python -m dhel_kcl.steps.plan --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"


rule stamp_provenance:
    input:
        lambda w: [f"{run.folder}/provenance.json" for run in SUITES[w.suite].runs if run.trained],
        lambda w: expand("paper_figures/{suite}/{figure}.pdf", suite=w.suite, figure=figures_of(SUITES[w.suite])),
        lambda w: expand("paper_figures/{suite}/{table}.csv", suite=w.suite, table=tables_of(SUITES[w.suite])),
    output:
        "results/{suite}/provenance.json",
    log:
        "logs/{suite}/provenance.log",
    localrule: True
    params:
        root=repository,
        spec=lambda w: json.dumps(stamp.digests(SUITES[w.suite])),
    shell:
        "python -m dhel_kcl.steps.record --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"
