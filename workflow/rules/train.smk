def selected_of(wildcards):
    """selected.json for the further seeds of a selected setting; nothing for grid points and floors."""
    run = run_of(wildcards)
    return layout.selected(run) if run.role == "selected" else []


def again(wildcards, output):
    """Makes a forced run start over: it would end at once with the checkpoint that the finished run left. Not recorded,
    like `repository`: a forced run is as good as another."""
    forced = workflow.dag_settings.forceall or "pretrain_encoder" in workflow.dag_settings.forcerun
    return "--again" if forced else ""


def launcher(wildcards):
    """What starts a step in as many processes as share a run."""
    count = processes(wildcards)
    return "dhel-kcl" if count == 1 else f"torchrun --standalone --nproc-per-node {count} -m dhel_kcl"


rule pretrain_encoder:
    input:
        data=expand(layout.DATA, file=layout.DATA_FILES, allow_missing=True),
        split=layout.SPLIT,
        selected=selected_of,
    output:
        expand(layout.RUN_FILE, file=layout.TRAINED, allow_missing=True),
    log:
        f"{layout.RUN_LOGS}/pretrain.log",
    benchmark:
        layout.BENCHMARK
    threads: lambda w: processes(w) * threads_of(w)
    resources:
        gpu=gpus(processes),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].pretrain_spec(run_of(w))),
        code=lambda w: science.of_run(SUITES[w.suite], run_of(w)),
        selected=lambda w, input: f"--selected {input.selected}" if input.selected else "",
        again=again,
        start=launcher,
        data=lambda w: layout.data_folder(w.dataset),
        out=lambda w: layout.RUN.format(**w),
        scratch=lambda w: layout.SCRATCH.format(**w),
    # exec: a signal must end the step, which then writes a checkpoint, and not a shell around it before that.
    shell:
        "exec {params.start} pretrain --spec {params.spec:q} {params.selected} --code {params.code} {params.again} "
        "--data {params.data:q} --split {input.split:q} --out {params.out:q} --scratch {params.scratch:q} > {log:q} 2>&1"
