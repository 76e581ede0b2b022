# The records are DVC's, like those of runs: Git restores the results, and a bare clone must plan to compute them.
THEORY = [
    *expand("results/runs/theory/{experiment}/provenance.json", experiment=EXPERIMENTS),
    *expand("results/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["csv", "json"]),
    *expand("paper_figures/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["pdf", "png"]),
    *expand("paper_figures/theory/{table}.{extension}", table=THEORY_TABLES, extension=["csv", "md", "tex"]),
    "results/theory/provenance.json",
]

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

    rule:
        name:
            f"draw_{name}"
        input:
            f"results/theory/{name}.csv",
        output:
            f"paper_figures/theory/{name}.pdf",
            report(
                f"paper_figures/theory/{name}.png",
                caption=f"../report/theory_{name}.rst",
                category="theory",
                subcategory="figures",
                labels={"figure": name.replace("_", " ")},
            ),
        log:
            f"logs/theory/figures/{name}.log",
        localrule: True
        params:
            name=name,
            code=digest.of_step(f"figures.theory.{name}"),
        shell:
            "python -m dhel_kcl.figures.theory.{params.name} --table {input:q} "
            "--out paper_figures/theory/{params.name} > {log:q} 2>&1"


for name in THEORY_TABLES:

    rule:
        name:
            f"tabulate_{name}"
        input:
            expand("results/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["csv", "json"]),
        output:
            report(
                f"paper_figures/theory/{name}.csv",
                caption=f"../report/theory_{name}.rst",
                category="claims" if name == "verdicts" else "theory",
                subcategory="theory" if name == "verdicts" else "tables",
                labels={"table": name},
            ),
            f"paper_figures/theory/{name}.md",
            f"paper_figures/theory/{name}.tex",
        log:
            f"logs/theory/tables/{name}.log",
        localrule: True
        params:
            name=name,
            code=digest.of_step("theory.tables"),
        shell:
            "python -m dhel_kcl.theory.tables --results results/theory --name {params.name} "
            "--out paper_figures/theory/{params.name} > {log:q} 2>&1"


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
        "python -m dhel_kcl.stamp --theory --out {output:q} > {log:q} 2>&1"
