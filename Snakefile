configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/select.smk"
include: "workflow/rules/paper.smk"


# `snakemake --cores all` builds the default suite, `snakemake --cores all <suite>` any other.
rule all:
    default_target: True
    input:
        suite_results(DEFAULT_SUITE),


for suite_name in SUITES:

    rule:
        name:
            suite_name
        input:
            suite_results(suite_name),
