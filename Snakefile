configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/theory.smk"


if FROM_TABLES:

    EVIDENCE = [PUBLISHED_TABLE]
    EVIDENCE += [evidence(name) for name in SUITES if are_there(expand(TIDY, suite=name))]
    EVIDENCE += [THEORY_EVIDENCE] if are_there(THEORY_TIDY) else []
    if EVIDENCE == [PUBLISHED_TABLE]:
        raise WorkflowError("from_tables: results/ holds no tidy tables; `git checkout results` brings those committed")

    # Figures and tables of all suites, and of the theory, whose tidy tables are there.
    rule evidence:
        default_target: True
        input:
            EVIDENCE,

else:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/pretrain.smk"
    include: "workflow/rules/probe.smk"
    include: "workflow/rules/select.smk"
    include: "workflow/rules/tidy.smk"
    include: "workflow/rules/theory_runs.smk"

    # `snakemake --cores all` builds the default suite and the theory, `snakemake --cores all <suite>` any other suite,
    # `snakemake --cores all <suite>_<data set>` the runs of one data set.
    rule all:
        default_target: True
        input:
            suite_results(DEFAULT_SUITE),
            THEORY,
            PUBLISHED_TABLE,

    rule theory:
        input:
            THEORY,

    for suite_name in SUITES:

        rule:
            name:
                suite_name
            input:
                suite_results(suite_name),

        for dataset in SUITES[suite_name].datasets:

            rule:
                name:
                    f"{suite_name}_{dataset}"
                input:
                    run_records(suite_name, dataset),
