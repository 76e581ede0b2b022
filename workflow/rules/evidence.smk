from dhel_kcl.evidence.verdicts import ledger_digest
from dhel_kcl.runtime.files import sha256
from dhel_kcl.evidence.published import PUBLISHED

TIDY = expand(
    "results/{{suite}}/{table}.csv",
    table=["runs", "epochs", "predictions", "spectra", "similarities", "costs"],
)


# Where the report shows what is no mere table or figure; it sorts by name, so claims come first.
CLAIMS = {"category": "claims", "subcategory": "{suite}"}
METHODS = {"category": "{suite}", "subcategory": "methods"}
RUNS = {"category": "{suite}", "subcategory": "runs"}
SHELVES = {"claims": CLAIMS, "claims_summary": CLAIMS, "recipe": METHODS, "costs": RUNS}
SHELVES |= {"training_curves": RUNS, "runs": RUNS}


PUBLISHED_TABLE = expand("paper_figures/published.{format}", format=FORMATS)


rule judge_claims:
    input:
        TIDY,
    output:
        "results/{suite}/claims.csv",
    log:
        "logs/{suite}/claims.log",
    localrule: True
    params:
        root=repository,
        spec=lambda w: SUITES[w.suite].digest(),
        statements=ledger_digest(),
        code=digest.of_step("claims"),
    shell:
        "python -m dhel_kcl.evidence.verdicts --root {params.root:q} --suite {wildcards.suite} "
        "--results results/{wildcards.suite} --out {output:q} > {log:q} 2>&1"


# One rule a table and one a figure: a report caption cannot contain wildcards.
for name in TABLES:

    rule:
        name:
            f"make_table_{name}"
        input:
            TIDY,
            "results/{suite}/plan.csv" if name == "costs" else "results/{suite}/claims.csv",
        output:
            report(
                f"paper_figures/{{suite}}/{name}.html",
                caption=f"../report/{name}.rst",
                **SHELVES.get(name, {"category": "{suite}", "subcategory": "tables"}),
                labels={"table": name.replace("_", " ")},
            ),
            expand(f"paper_figures/{{suite}}/{name}.{{format}}", format=FORMATS[:-1], allow_missing=True),
        log:
            f"logs/{{suite}}/tables/{name}.log",
        localrule: True
        params:
            name=name,
            root=repository,
            spec=lambda w: SUITES[w.suite].digest(),
            published=sha256(PUBLISHED),
            code=digest.of_step("table"),
            n=sample_sizes,
        shell:
            "python -m dhel_kcl.evidence.tables --root {params.root:q} --suite {wildcards.suite} "
            "--results results/{wildcards.suite} --name {params.name} "
            "--out paper_figures/{wildcards.suite}/{params.name} > {log:q} 2>&1"


for name in FIGURES:

    rule:
        name:
            f"draw_figure_{name}"
        input:
            TIDY,
            "results/{suite}/claims.csv",
        output:
            f"paper_figures/{{suite}}/{name}.pdf",
            report(
                f"paper_figures/{{suite}}/{name}.png",
                caption=f"../report/{name}.rst",
                **SHELVES.get(name, {"category": "{suite}", "subcategory": "figures"}),
                labels={"figure": name.replace("_", " ")},
            ),
        log:
            f"logs/{{suite}}/figures/{name}.log",
        localrule: True
        params:
            name=name,
            root=repository,
            spec=lambda w: SUITES[w.suite].digest(),
            code=digest.of_step(f"figures.{name}"),
            n=sample_sizes,
        shell:
            "python -m dhel_kcl.evidence.figures.{params.name} --root {params.root:q} --suite {wildcards.suite} "
            "--results results/{wildcards.suite} --out paper_figures/{wildcards.suite}/{params.name} > {log:q} 2>&1"


# What others published, whatever has been run here; the suites' own tables of this name set ours beside it.
rule tabulate_published:
    output:
        report(
            PUBLISHED_TABLE[-1],
            caption="../report/published_elsewhere.rst",
            category="published",
            labels={"table": "published by others"},
        ),
        PUBLISHED_TABLE[:-1],
    log:
        "logs/published.log",
    localrule: True
    params:
        published=sha256(PUBLISHED),
        code=digest.of_step("published"),
    shell:
        "python -m dhel_kcl.evidence.published --out paper_figures/published > {log:q} 2>&1"
