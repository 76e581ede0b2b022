rule evaluate_encoder:
    input:
        data=expand(layout.DATA, file=layout.DATA_FILES, allow_missing=True),
        split=layout.SPLIT,
        run=trained_run,
    output:
        expand(layout.RUN_FILE, file=layout.EVALUATED, allow_missing=True),
    log:
        f"{layout.RUN_LOGS}/evaluate.log",
    threads: threads_of
    resources:
        gpu=gpus(lambda w: 1),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].evaluation_spec(w.dataset)),
        code=lambda w: science.of_evaluation(SUITES[w.suite], w.dataset),
        run=lambda w: f"--run {layout.RUN.format(**w)}" if run_of(w).trained else "",
        data=lambda w: layout.data_folder(w.dataset),
        out=lambda w: layout.RUN.format(**w),
    shell:
        "dhel-kcl evaluate --spec {params.spec:q} {params.run} --data {params.data:q} --split {input.split:q} "
        "--code {params.code} --out {params.out:q} > {log:q} 2>&1"


rule transfer_encoder:
    input:
        data=expand(layout.DATA.replace("{dataset}", "{target}"), file=layout.DATA_FILES, allow_missing=True),
        split=layout.SPLIT.replace("{dataset}", "{target}"),
        run=trained_run,
    output:
        layout.TRANSFER,
    log:
        f"{layout.RUN_LOGS}/transfer_{{target}}.log",
    threads: threads_of
    resources:
        gpu=gpus(lambda w: 1),
    params:
        spec=lambda w: json.dumps(SUITES[w.suite].evaluation_spec(w.target) | {"augmented": None}),
        code=lambda w: science.of_evaluation(SUITES[w.suite], w.dataset, w.target),
        run=lambda w: layout.RUN.format(**w),
        data=lambda w: layout.data_folder(w.target),
    shell:
        "dhel-kcl transfer --spec {params.spec:q} --run {params.run:q} --data {params.data:q} --split {input.split:q} "
        "--code {params.code} --out {output:q} > {log:q} 2>&1"


rule select_setting:
    input:
        lambda w: [f"{folder}/{name}" for folder in candidates(w) for name in ("probe.json", "spec.json")],
    output:
        layout.SELECTED,
    log:
        f"{layout.SETTING_LOGS}/select.log",
    localrule: True
    params:
        folders=candidates,
        code=science.of_step("select"),
    shell:
        "dhel-kcl select --candidates {params.folders:q} --out {output:q} > {log:q} 2>&1"
