rule probe:
    input:
        data=expand("data/{{dataset}}/{file}", file=DATA_FILES),
        split="data/splits/{suite}/{dataset}.npz",
        run=trained_run,
    output:
        f"{RUN}/probe.json",
        f"{RUN}/predictions.csv",
        f"{RUN}/geometry.json",
        f"{RUN}/spectrum.csv",
        f"{RUN}/similarities.csv",
    log:
        "logs/{suite}/{dataset}/{run}/seed{seed}/probe.log",
    threads: lambda w: SUITES[w.suite].config["threads"]
    resources:
        gpu=gpus(lambda w: 1),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].probe_spec(w.dataset)),
        code=lambda w: stamp.probe_code(SUITES[w.suite], w.dataset),
        run=lambda w: f"--run {RUN.format(**w)}" if run_of(w).trained else "",
    shell:
        "python -m dhel_kcl.evaluation.probe --spec {params.spec:q} {params.run} "
        "--data data/{wildcards.dataset} --split {input.split:q} "
        "--out results/runs/{wildcards.suite}/{wildcards.dataset}/{wildcards.run}/seed{wildcards.seed} > {log:q} 2>&1"


rule transfer:
    input:
        data=expand("data/{{target}}/{file}", file=DATA_FILES),
        split="data/splits/{suite}/{target}.npz",
        run=trained_run,
    output:
        f"{RUN}/transfer/{{target}}.json",
    log:
        "logs/{suite}/{dataset}/{run}/seed{seed}/transfer_{target}.log",
    wildcard_constraints:
        target="[^/]+",
    threads: lambda w: SUITES[w.suite].config["threads"]
    resources:
        gpu=gpus(lambda w: 1),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].probe_spec(w.target) | {"augmented": None}),
        code=lambda w: stamp.probe_code(SUITES[w.suite], w.dataset, w.target),
        run=lambda w: RUN.format(**w),
    shell:
        "python -m dhel_kcl.evaluation.probe --transfer --spec {params.spec:q} --run {params.run} "
        "--data data/{wildcards.target} --split {input.split:q} --out {output:q} > {log:q} 2>&1"
