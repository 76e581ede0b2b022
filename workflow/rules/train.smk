rule pretrain_encoder:
    input:
        data=expand(layout.DATA, file=layout.DATA_FILES, allow_missing=True),
        split=layout.SPLIT,
        selected=selected_of,
    output:
        expand(layout.RUN_FILE, file=layout.TRAINED, allow_missing=True),
    log:
        f"{layout.RUN_LOGS}/pretrain.log",
    wildcard_constraints:
        run=f"(?!{LATER_RUN})[^/]+",
    threads: lambda w: processes(w) * threads_of(w)
    resources:
        gpu=gpus(processes),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].pretrain_spec(run_of(w))),
        code=lambda w: science.of_run(SUITES[w.suite], run_of(w)),
        selected=lambda w, input: f"--selected {input.selected}" if input.selected else "",
        again=again,
        curves=curves,
        start=launcher,
        data=lambda w: layout.data_folder(w.dataset),
        out=lambda w: layout.RUN.format(**w),
        scratch=lambda w: layout.SCRATCH.format(**w),
    # exec: a signal must end the step, which then writes a checkpoint, and not a shell around it before that.
    shell:
        "exec {params.start} pretrain --spec {params.spec:q} {params.selected} --code {params.code} {params.again} "
        "{params.curves} --data {params.data:q} --split {input.split:q} --out {params.out:q} "
        "--scratch {params.scratch:q} > {log:q} 2>&1"


# Ablations, causes and the final length wait until the main comparison is trained.
use rule pretrain_encoder as pretrain_later with:
    wildcard_constraints:
        run=LATER_RUN,
    priority: -1
