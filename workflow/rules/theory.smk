THEORY_TIDY = expand("results/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["csv", "json"])
THEORY_EVIDENCE = [
    *expand("paper_figures/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["pdf", "png"]),
    *expand("paper_figures/theory/{table}.{extension}", table=THEORY_TABLES, extension=FORMATS),
]
# The records are DVC's, like those of runs: Git restores the results, and a bare clone must plan to compute them.
THEORY = [
    *THEORY_EVIDENCE,
    *expand("results/runs/theory/{experiment}/provenance.json", experiment=EXPERIMENTS),
    *THEORY_TIDY,
    "results/theory/provenance.json",
]

for name in EXPERIMENTS:

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
            "python -m dhel_kcl.theory.figures.{params.name} --table {input:q} "
            "--out paper_figures/theory/{params.name} > {log:q} 2>&1"


for name in THEORY_TABLES:

    rule:
        name:
            f"tabulate_{name}"
        input:
            THEORY_TIDY,
        output:
            report(
                f"paper_figures/theory/{name}.html",
                caption=f"../report/theory_{name}.rst",
                category="theory" if name == "gaps" else "claims",
                subcategory="tables" if name == "gaps" else "theory",
                labels={"table": name.replace("_", " ")},
            ),
            expand(f"paper_figures/theory/{name}.{{format}}", format=FORMATS[:-1]),
        log:
            f"logs/theory/tables/{name}.log",
        localrule: True
        params:
            name=name,
            code=digest.of_step("theory.tables"),
        shell:
            "python -m dhel_kcl.theory.tables --results results/theory --name {params.name} "
            "--out paper_figures/theory/{params.name} > {log:q} 2>&1"
