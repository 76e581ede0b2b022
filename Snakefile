from snakemake.utils import min_version

min_version("9.20")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/theory.smk"


onstart:
    begin_run()


onsuccess:
    end_run(WHERE_RESULTS_ARE)


onerror:
    end_run("The logs of failed jobs are above. The same command again computes only what is missing.")


if FROM_TABLES:

    EVIDENCE = [*PUBLISHED_TABLE]
    for name in SUITES:
        if are_there(expand(TIDY, suite=name)):
            EVIDENCE += [*evidence(name), layout.SUITE_PROVENANCE.format(suite=name)]
    if are_there(THEORY_TIDY):
        EVIDENCE += [*THEORY_EVIDENCE, layout.THEORY_PROVENANCE]
    if EVIDENCE == PUBLISHED_TABLE:
        raise WorkflowError("from_tables: results/ holds no tidy tables; `git checkout results` brings those committed")

    # Figures and tables of all suites, and of the theory, whose tidy tables are there.
    rule remake_evidence:
        default_target: True
        input:
            EVIDENCE,

else:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/collect.smk"

    # `snakemake --cores all` builds the default suite and the theory, `snakemake --cores all <suite>` any other suite.
    rule all:
        default_target: True
        input:
            suite_results(DEFAULT_SUITE),
            THEORY,
            PUBLISHED_TABLE,
            layout.PUBLISHED_MARK,

    rule theory:
        input:
            THEORY,

    for suite_name in SUITES:

        rule:
            name:
                suite_name
            input:
                suite_results(suite_name),

    # Any name that is no target's.
    rule explain_target:
        input:
            explain,
        output:
            "{misspelt}",
        wildcard_constraints:
            misspelt="[^/]+",
