rule plan_suite:
    output:
        layout.PLAN,
    log:
        f"{layout.SUITE_LOGS}/plan.log",
    wildcard_constraints:
        suite=SINGLE,
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
        splits=lambda w: expand(layout.SPLIT, suite=w.suite, dataset=SUITES[w.suite].all_datasets),
        plan=layout.PLAN,
    output:
        expand(layout.TIDY, table=layout.TIDY_TABLES, allow_missing=True),
        layout.METRICS,
    log:
        f"{layout.SUITE_LOGS}/collect.log",
    wildcard_constraints:
        suite=SINGLE,
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=science.of_step("collect"),
        out=results_of,
    shell:
        "dhel-kcl collect --root {params.root:q} --suite {wildcards.suite} --out {params.out:q} > {log:q} 2>&1"


# Of the tidy tables of other suites, as they lie there. They are no input: a suite that is out of date would be trained.
rule join_results:
    output:
        expand(layout.TIDY, table=layout.TIDY_TABLES, allow_missing=True),
        layout.METRICS,
    log:
        f"{layout.SUITE_LOGS}/join.log",
    wildcard_constraints:
        suite=JOINT,
    localrule: True
    params:
        root=repository,
        spec=suite_spec,
        code=science.of_step("join"),
        joined=joined_tables,
        out=results_of,
    shell:
        "dhel-kcl collect --root {params.root:q} --suite {wildcards.suite} --out {params.out:q} > {log:q} 2>&1"
