# On a cluster this runs where Snakemake does: computing nodes often cannot reach the web.
rule fetch_data:
    output:
        expand(layout.DATA, file=layout.DATA_FILES, allow_missing=True),
    log:
        f"{layout.LOGS}/data/{{dataset}}.log",
    localrule: True
    params:
        spec=own_arguments,
        code=lambda w: science.of_fetching(w.dataset),
        folder=lambda w: layout.data_folder(w.dataset),
    shell:
        "dhel-kcl fetch --dataset {wildcards.dataset} {params.spec} --out {params.folder:q} > {log:q} 2>&1"


rule split_data:
    input:
        expand(layout.DATA, file=layout.DATA_FILES, allow_missing=True),
    output:
        layout.SPLIT,
    log:
        f"{layout.DATASET_LOGS}/split.log",
    localrule: True
    params:
        spec=split_arguments,
        code=science.of_step("split"),
        folder=lambda w: layout.data_folder(w.dataset),
    shell:
        "dhel-kcl split --data {params.folder:q} {params.spec} --out {output:q} > {log:q} 2>&1"
