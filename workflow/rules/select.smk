rule select_setting:
    input:
        lambda w: [f"{folder}/{name}" for folder in candidates(w) for name in ("probe.json", "spec.json")],
    output:
        "results/runs/{suite}/{dataset}/{method}_m{batch_size}_selected/selected.json",
    log:
        "logs/{suite}/{dataset}/{method}_m{batch_size}_selected/select.log",
    wildcard_constraints:
        method="[a-z0-9-]+",
        batch_size=r"\d+",
    localrule: True
    params:
        folders=candidates,
        code=digest.of_step("select"),
    shell:
        "python -m dhel_kcl.study.selection --candidates {params.folders:q} --out {output:q} > {log:q} 2>&1"
