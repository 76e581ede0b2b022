for name in EXPERIMENTS:

    rule:
        name:
            f"compute_{name}"
        output:
            f"results/theory/{name}.csv",
            f"results/theory/{name}.json",
            record=f"results/runs/theory/{name}/provenance.json",
        log:
            f"logs/theory/{name}.log",
        threads: 1
        params:
            name=name,
            code=digest.of_step(f"theory.{name}"),
        shell:
            "python -m dhel_kcl.theory.{params.name} --out results/theory/{params.name} --record {output.record:q} "
            "> {log:q} 2>&1"


rule stamp_theory:
    input:
        expand("results/runs/theory/{experiment}/provenance.json", experiment=EXPERIMENTS),
        expand("paper_figures/theory/{experiment}.pdf", experiment=EXPERIMENTS),
        expand("paper_figures/theory/{table}.csv", table=THEORY_TABLES),
    output:
        "results/theory/provenance.json",
    log:
        "logs/theory/provenance.log",
    localrule: True
    params:
        code=json.dumps(stamp.theory_digests()),
    shell:
        "python -m dhel_kcl.steps.record --theory --out {output:q} > {log:q} 2>&1"
