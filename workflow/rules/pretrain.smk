rule pretrain:
    input:
        data=expand("data/{{dataset}}/{file}", file=DATA_FILES),
        split="data/splits/{suite}/{dataset}.npz",
        selected=selected_of,
    output:
        expand(f"{RUN}/{{file}}", file=PRETRAINED, allow_missing=True),
    log:
        "logs/{suite}/{dataset}/{run}/seed{seed}/pretrain.log",
    benchmark:
        f"{RUN}/benchmark.tsv"
    threads: lambda w: processes(w) * SUITES[w.suite].config["threads"]
    resources:
        gpu=gpus(processes),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].pretrain_spec(run_of(w))),
        code=lambda w: stamp.pretrain_code(SUITES[w.suite], run_of(w)),
        selected=lambda w, input: f"--selected {input.selected}" if input.selected else "",
        again=again,
        python=lambda w: launcher(processes(w)),
    # exec: a signal must end the step, which then writes a checkpoint, and not a shell around it before that.
    shell:
        "exec {params.python} -m dhel_kcl.training.trainer --spec {params.spec:q} {params.selected} --code {params.code} {params.again} "
        "--data data/{wildcards.dataset} --split {input.split:q} "
        "--out results/runs/{wildcards.suite}/{wildcards.dataset}/{wildcards.run}/seed{wildcards.seed} "
        "--scratch scratch/{wildcards.suite}/{wildcards.dataset}/{wildcards.run}/seed{wildcards.seed} > {log:q} 2>&1"
