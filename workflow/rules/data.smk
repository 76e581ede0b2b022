# On a cluster this runs where Snakemake does: computing nodes often cannot reach the web.
rule fetch_data:
    output:
        expand("data/{{dataset}}/{file}", file=DATA_FILES),
    log:
        "logs/data/{dataset}.log",
    localrule: True
    params:
        code=lambda w: stamp.fetch_code(w.dataset),
    shell:
        "python -m dhel_kcl fetch --dataset {wildcards.dataset} --out data/{wildcards.dataset} > {log:q} 2>&1"


rule split_data:
    input:
        expand("data/{{dataset}}/{file}", file=DATA_FILES),
    output:
        "data/splits/{suite}/{dataset}.npz",
    log:
        "logs/{suite}/{dataset}/split.log",
    localrule: True
    params:
        spec=split_arguments,
        code=digest.of_step("split"),
    shell:
        "python -m dhel_kcl split --data data/{wildcards.dataset} {params.spec} --out {output:q} > {log:q} 2>&1"
