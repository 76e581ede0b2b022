THEORY = [
    *expand("results/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["csv", "json"]),
    *expand("paper_figures/theory/{experiment}.{extension}", experiment=EXPERIMENTS, extension=["pdf", "png"]),
    *expand("paper_figures/theory/verdicts.{extension}", extension=["csv", "md", "tex"]),
    "results/theory/provenance.json",
]

for name in EXPERIMENTS:

    rule:
        name:
            f"compute_{name}"
        output:
            f"results/theory/{name}.csv",
            f"results/theory/{name}.json",
        log:
            f"logs/theory/{name}.log",
        params:
            name=name,
            code=digest.of_step(f"theory.{name}"),
        shell:
            "python -m dhel_kcl.theory.{params.name} --out results/theory/{params.name} > {log:q} 2>&1"

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
                labels={"figure": name.replace("_", " ")},
            ),
        log:
            f"logs/theory/figures/{name}.log",
        params:
            name=name,
            code=digest.of_step(f"figures.theory.{name}"),
        shell:
            "python -m dhel_kcl.figures.theory.{params.name} --table {input:q} "
            "--out paper_figures/theory/{params.name} > {log:q} 2>&1"


rule make_verdicts_table:
    input:
        expand("results/theory/{experiment}.json", experiment=EXPERIMENTS),
    output:
        report(
            "paper_figures/theory/verdicts.csv",
            caption="../report/theory_verdicts.rst",
            category="theory",
            labels={"table": "verdicts"},
        ),
        "paper_figures/theory/verdicts.md",
        "paper_figures/theory/verdicts.tex",
    log:
        "logs/theory/verdicts.log",
    params:
        code=digest.of_step("theory.verdicts"),
    shell:
        "python -m dhel_kcl.theory.verdicts --results results/theory --out paper_figures/theory/verdicts > {log:q} 2>&1"


rule stamp_theory:
    input:
        expand("paper_figures/theory/{experiment}.pdf", experiment=EXPERIMENTS),
        "paper_figures/theory/verdicts.csv",
    output:
        "results/theory/provenance.json",
    log:
        "logs/theory/provenance.log",
    params:
        code=json.dumps(stamp.theory_digests()),
    shell:
        "python -m dhel_kcl.stamp --theory --out {output:q} > {log:q} 2>&1"
