rule plan_suite:
    output:
        layout.PLAN,
    log:
        f"{layout.SUITE_LOGS}/plan.log",
    threads: threads_of
    resources:
        gpu=gpus(lambda w: 1),
    params:
        root=repository,
        spec=trainings,
        code=science.of_step("plan"),
    shell:
        "dhel-kcl plan --root {params.root:q} --suite {wildcards.suite} --out {output:q} > {log:q} 2>&1"


# The runs of the suite's config, and nothing that merely lies there.
rule collect_results:
    input:
        lambda w: layout.collected(SUITES[w.suite]),
        splits=lambda w: expand(layout.SPLIT, suite=w.suite, dataset=SUITES[w.suite].datasets),
        plan=layout.PLAN,
    output:
        expand(layout.TIDY, table=layout.TIDY_TABLES, allow_missing=True),
        layout.METRICS,
    log:
        f"{layout.SUITE_LOGS}/collect.log",
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=science.of_step("collect"),
        out=lambda w: layout.RESULTS.format(**w),
    shell:
        "dhel-kcl collect --root {params.root:q} --suite {wildcards.suite} --out {params.out:q} > {log:q} 2>&1"
