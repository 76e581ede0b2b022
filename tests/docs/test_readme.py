"""What the pages say is there, is there; numbers that they quote are those of the results."""

import math
import re
import subprocess
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from importlib.metadata import distributions
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest, ttest_1samp, ttest_rel

from dhel_kcl.evidence import ledger
from dhel_kcl.evidence.causes import FACTORS, at_equal_rates, mean_effect
from dhel_kcl.evidence.dataset_runs import DatasetRuns
from dhel_kcl.evidence.estimates import Estimate, holm
from dhel_kcl.evidence.figures import FIGURES
from dhel_kcl.evidence.power import Spreads, sights, smallest_effect
from dhel_kcl.evidence.status import Present
from dhel_kcl.evidence.tables import TABLES
from dhel_kcl.evidence.tidy import Results, unpack
from dhel_kcl.evidence.verdicts import judge
from dhel_kcl.evidence.wording import said, signed, with_interval, within_the_margin
from dhel_kcl.files import read_json
from dhel_kcl.runtime import cost
from dhel_kcl.runtime.origins import differences, of_suite
from dhel_kcl.study.config import suite_names
from dhel_kcl.study.suite import Suite
from dhel_kcl.theory.batch_size import MARGIN, shares
from tests.docs.pages import PAGES, name_of
from tests.docs.test_commands import snakemake_targets
from tests.pipeline import ROOT

README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs/results.md").read_text()
CLAIMS = (ROOT / "docs/claims.md").read_text()
SUITES = (ROOT / "config/README.md").read_text()
STATES = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", SUITES, re.MULTILINE))
"""State of each suite."""
COMMITTED = [name for name, state in STATES.items() if "committed" in state]
THEORY = ROOT / "results/theory"
MAIN = "cifar10_laptop"
"""The suite that judges the claims about trained encoders."""
COMPARED = "CIFAR-10 with a small network"
"""Heading of its section in docs/results.md."""
ORDER = ["simclr", "dcl", "dhel", "kcl-gaussian", "kcl-log"]
"""Of losses in its tables."""
ENCODERS = {
    "C3": ("accuracy", "points"),
    "C4": ("small-batches", "points"),
    "C5": ("untuned-rate", "points"),
    "C6": ("rank", "dimensions"),
}
"""The statement that README quotes of each of these claims, and its unit."""
DIGITS_RANK, CIFAR10_RANK = "Digits: what raises the rank", "CIFAR-10: what raises the rank"
CAUSES = {CIFAR10_RANK: "cifar10_causes", DIGITS_RANK: "digits_causes"}
"""Suites of which README quotes what changes the rank, by the heading of their section in docs/results.md."""
STEPS_OF_CAUSES = {
    "positive": "positive removed",
    "cross-view": "other view's negatives removed",
    "weight": "weight doubled",
    "temperature": "lowest τ less highest",
}


def section(page, heading):
    """Text of a page under a heading, as one line."""
    return " ".join(re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1].split())


def rows(page, heading):
    """Cells of the rows of the first table under a heading, without its two first rows."""
    block = re.search(rf"^## {heading}\n.*?((?:^\|[^\n]*\n)+)", page, re.MULTILINE | re.DOTALL)[1]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()[2:]]


def table(path):
    """A Markdown table without what may stand below it."""
    return "\n".join(line for line in (ROOT / path).read_text().splitlines() if line.startswith("|"))


def is_in_git(path):
    """Whether a file is there and, where there is a repository, tracked."""
    if not (ROOT / ".git").exists():
        return (ROOT / path).exists()
    found = subprocess.run(["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True, check=True)
    return bool(found.stdout)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if heading:
            anchors = [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()) for line in linked.read_text().splitlines()]
            assert heading in [anchor.replace(" ", "-") for anchor in anchors], target


def named_runs(page):
    """Folders of runs that a page names, where it names the seed."""
    return re.findall(r"results/runs/\w+/\w+/[^/\s<>`]+/seed\d+", page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_runs_that_a_page_names_are_runs_of_their_suites(page):
    for folder in named_runs(page.read_text()):
        assert folder in Suite.load(ROOT, folder.split("/")[2]).by_folder, folder


def test_a_run_named_on_a_page_is_found():
    (folder,) = named_runs("`results/runs/digits/digits/simclr_m64_no-such/seed0/probe.json`")
    assert folder not in Suite.load(ROOT, "digits").by_folder


def list_marks_in_paragraphs(page):
    """Lines of prose that a wrapped word at their start, "1." or "-", turns into an item of a list."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    for block in re.split(r"\n\s*\n", prose):
        first, *rest = block.strip("\n").splitlines() or [""]
        if not re.match(r"\s*([-*+]|\d+\.) |\||#", first):
            yield from (line for line in rest if re.match(r"\s*([-*+]|1\.) ", line))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_line_of_a_paragraph_begins_like_a_list(page):
    assert list(list_marks_in_paragraphs(page.read_text(encoding="utf-8"))) == []


def test_a_line_that_begins_like_a_list_is_found():
    assert list(list_marks_in_paragraphs("An interval includes\n1. That is so.\n\n- an item\n- another\n")) == [
        "1. That is so."
    ]


def test_the_readme_is_short():
    assert len(README.encode()) <= 9_000
    code = "\n".join(re.findall(r"^```\w+\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
    assert max(len(line) for line in code.splitlines()) <= 80


def test_the_readmes_loop_trains():
    (loop,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    torch.manual_seed(0)
    encoder, x = torch.nn.Linear(8, 4), torch.randn(16, 8)
    names = {
        "encoder": encoder,
        "optimizer": torch.optim.SGD(encoder.parameters(), lr=0.1),
        "loader": [(x + 0.1 * torch.randn(16, 8), x + 0.1 * torch.randn(16, 8)) for _ in range(20)],
    }
    before = encoder.weight.detach().clone()
    exec(compile(loop, "README.md", "exec"), names)
    assert names["loss"].isfinite()
    assert not torch.equal(before, encoder.weight)
    for call in re.findall(r"`(\w+Loss(?:\([^`]*\))?)`", section(README, "Use the losses")):
        exec(f"from dhel_kcl.losses import *\n{call if '(' in call else call + '()'}", {})


def test_the_theorys_verdicts_quoted_are_those_of_its_ledger():
    summary = pd.read_csv(ROOT / "paper_figures/theory/claims_summary.csv").set_index("claim")
    quoted = {cells[0]: cells[3] for cells in rows(README, "Claim by claim")}
    left_out = ["C1 terms: what the log-denominators alone ask for (ours)", "C7, limits"]
    judged = {
        name: f"{counts.supported} of {counts.supported + counts.contradicted}" for name, counts in summary.iterrows()
    }
    for name in summary.drop(index=left_out).index:
        (verdict,) = [verdict for claim, verdict in quoted.items() if claim.startswith(name)]
        limits = f"; limits: {judged['C7, limits']}" if name.startswith("C7") else ""
        assert verdict == f"{judged[name]} supported{limits}"
    assert sorted({claim[:2] for claim in quoted}) == [f"C{number}" for number in range(1, 8)]
    assert table("paper_figures/theory/claims_summary.md") in RESULTS


PLANNED = {"accuracy": 2, "untuned-rate": 2, "rank": 1}
"""The confirmatory statements of the main comparison, and the decimals of their effects."""


@pytest.fixture(scope="module")
def comparison():
    """Ledger of the main comparison, its runs, and the titles of its losses."""
    folder = ROOT / f"results/{MAIN}"
    titles = {name: of.title for name, of in Suite.load(ROOT, MAIN).config.losses.items()}
    return pd.read_csv(folder / "claims.csv"), pd.read_csv(folder / "runs.csv"), titles


def plus_minus(row):
    """A statement's estimate with half the length of its 95 % interval."""
    return f"{signed(row.estimate, 1)} ± {(row.high - row.low) / 2:.1f}"


def effect_or_parts(row):
    """A statement's estimate with half the length of its interval; at each batch size where they disagree in sign, and
    for ranks, whose intervals are short and whose batch sizes lie far apart."""
    parts = re.findall(r": ([+-]?[\d.]+) \(", row.components)
    apart = row.verdict == "mixed" or row.id == "rank"
    return " / ".join(signed(float(part), 1) for part in parts) if apart else plus_minus(row)


def effects(pairs, titles):
    """Differences of a statement's pairs of losses, with half the length of their 95 % intervals."""
    text = "; ".join(
        f"over {titles[against]}: " + ", ".join(map(effect_or_parts, of.itertuples()))
        for against, of in pairs.groupby("against", sort=False)
    )
    (names,) = {tuple(of.of) for _, of in pairs.groupby("against")}
    key = f"Effects of C3 to C6: {', '.join(titles[name] for name in names)};"
    assert key in section(README, "Claim by claim")
    return text.replace("-", "−")


def verdict(pairs):
    """How many of a statement's pairs have which verdict, and of how many the difference counts as none; which of them
    lose a verdict with whole seeds as the unit."""
    found = []
    for word, here in pairs.groupby("verdict"):
        small = sum(within_the_margin(*pair) for pair in zip(here.verdict, here.equivalent, strict=True))
        lost = (here.blocked_p_holm > 0.05).sum() if word in ("supported", "contradicted") else 0
        notes = f"{small} within the margin; " * bool(small) + f"{lost} not by whole seeds; " * bool(lost)
        found.append(f"{len(here)} {word}" + f" ({notes.removesuffix('; ')})" * bool(notes))
    return ", ".join(found)


def test_the_verdicts_quoted_of_encoders_are_those_of_the_main_comparison(comparison):
    quoted = {cells[0].split(":")[0]: cells for cells in rows(README, "Claim by claim")}
    claims, _, titles = comparison
    updates = pd.read_csv(ROOT / "results/cifar10_updates/claims.csv").query("id == 'small-batches'")
    for claim, (identifier, unit) in ENCODERS.items():
        pairs = claims[claims.id == identifier]
        assert quoted[claim][2] == f"{unit} {effects(pairs, titles)}"
        (status,) = set(pairs.status)
        at_equal_updates = f"; at equal updates {verdict(updates)}" if claim == "C4" else ""
        assert quoted[claim][3] == verdict(pairs) + at_equal_updates + f" ({status})" * (status != "confirmatory")


def told(row, decimals):
    """Effect of a statement with its interval, and its verdict in words; if mixed, the effect at each batch size."""
    if row.verdict == "mixed":
        parts = [re.match(r"(M = \d+): (\S+)", part).groups() for part in row.components.split("; ")]
        at_each = ", ".join(f"{signed(float(effect), decimals)} at {size}" for size, effect in parts)
        return f"mixed: {at_each}".replace("-", "−")
    effect = with_interval(row.estimate, row.low, row.high, decimals).replace("-", "−")
    return f"{effect}: {said(row.verdict, row.equivalent)}"


def test_the_planned_statements_quoted_are_those_of_the_main_comparison(comparison):
    claims, _, titles = comparison
    planned = claims[claims.status == "confirmatory"]
    assert set(planned.id) == PLANNED.keys()
    assert (planned.verdict.value_counts()["mixed"], len(planned)) == (3, 18)
    assert "as in three of the 18 planned tests on CIFAR-10" in CLAIMS
    for (against, of), pair in planned.groupby(["against", "of"]):
        by_id = pair.set_index("id")
        cells = [told(by_id.loc[identifier], decimals) for identifier, decimals in PLANNED.items()]
        assert f"| {titles[of]} less {titles[against]} | {' | '.join(cells)} |" in RESULTS
    assert table(f"paper_figures/{MAIN}/linear_evaluation.md") in RESULTS


@pytest.fixture(scope="module")
def judged_runs(comparison):
    """Means of the judged runs, and the text that quotes them."""
    runs = comparison[1]
    means = runs[runs.section == "final"].groupby(["method", "batch_size"]).mean(numeric_only=True)
    return means, section(RESULTS, COMPARED)


def test_the_effects_quoted_of_the_main_comparison_are_those_of_its_ledger(comparison):
    claims, text = comparison[0].set_index(["id", "of", "against"]), section(RESULTS, COMPARED)

    def parts(*statement):
        """Its estimate at each batch size."""
        return [part.split(": ")[1].replace("-", "−") for part in claims.components[statement].split("; ")]

    def whole(*statement):
        row = claims.loc[statement]
        return with_interval(row.estimate, row.low, row.high, 2).replace("-", "−")

    simclr, dcl = parts("accuracy", "dhel", "simclr"), parts("accuracy", "dhel", "dcl")
    assert f"DHEL less SimCLR is {simclr[0]} at M = 64 and {simclr[1]} at M = 256; less DCL it is {dcl[0]} and" in text
    assert f"and {dcl[1]}, so *mixed*" in text
    for against in ("simclr", "dcl"):
        for name, below in {"kcl-log": 2, "kcl-gaussian": 1}.items():
            highs = [
                float(part.split(" to ")[1].rstrip(")").replace("−", "-")) for part in parts("accuracy", name, against)
            ]
            assert [high < 0 for high in highs] == [True, below == 2], "below by its interval"
    lead, smaller = ("small-batches", "dhel", "dcl"), ("small-batches", "kcl-gaussian", "simclr")
    assert "DCL is larger at M = 64 than at 256: *supported*, though not distinguishable with whole seeds" in text
    assert "with whole seeds as the unit not distinguishable" in claims.note[lead]
    assert "That of KCL Gaussian over SimCLR is lower: *contradicted*." in text
    assert (claims.estimate[lead] > 0, claims.verdict[lead]) == (True, "supported")
    assert (claims.estimate[smaller] < 0, claims.verdict[smaller]) == (True, "contradicted")
    assert claims.verdict["small-batches"].value_counts().to_dict() == {
        "not distinguishable": 4, "supported": 1, "contradicted": 1,
    }  # fmt: skip
    untuned = [whole("untuned-rate", "dhel", against) for against in ("simclr", "dcl")]
    assert f"give DHEL {untuned[0]} points over SimCLR and {untuned[1]} over DCL" in text
    signs = {
        (of, against): [
            math.copysign(1, float(part.split(" ")[0].replace("−", "-"))) for part in parts("rank", of, against)
        ]
        for of, against in claims.loc["rank"].index
    }
    same = {pair: first for pair, (first, second) in signs.items() if first == second}
    below = [("kcl-gaussian", "simclr"), ("kcl-gaussian", "dcl"), ("kcl-log", "dcl")]
    assert same == {("dhel", "simclr"): 1} | dict.fromkeys(below, -1)
    tuned = [whole("untuned", "dhel", against) for against in ("simclr", "dcl")]
    assert f"setting drawn DHEL is {tuned[0]} over SimCLR and {tuned[1]} over DCL: *not distinguishable*" in text
    for exploratory in ("untuned", "worst-setting"):
        assert set(claims.verdict[exploratory]) == {"not distinguishable"}


def test_the_power_quoted_of_the_main_comparison_is_that_of_the_spread_it_had(comparison):
    suite, book = Suite.load(ROOT, MAIN), ledger.read()
    results = Results(ROOT / f"results/{MAIN}", suite)
    results.__dict__["runs"] = results.runs[results.runs.section == "final"]
    spreads = {column: Spreads.measured(results, column) for column in {each.column for each in book.statements}}
    seen = {each.statement.id: each.smallest for each in sights(suite, book, spreads)}
    pairs = comparison[0].query("id == 'accuracy'")
    errors = (pairs.high - pairs.low) / 2 / stdtrit(pairs.df, 0.975)
    own = [smallest_effect(Estimate(0, *each), 18, 0.05) for each in zip(errors, pairs.df, strict=True)]
    assert f"by each pair's own spread one of {min(own):.1f} to {max(own):.1f}:" in section(RESULTS, COMPARED)
    assert f"C3 finds a difference of {seen['accuracy']:.1f} points with 80 % power" in section(RESULTS, COMPARED)
    plan = (ROOT / "docs/analysis_plan.md").read_text(encoding="utf-8")
    planned = float(re.search(r"accuracy \(C3\) \| [\d.]+ \| \d \| ([\d.]+) ", plan)[1])
    assert f"not of the {planned:.1f} that the plan took from its pilot" in section(RESULTS, COMPARED)


def test_what_the_comparison_comes_to_is_so_of_its_means(comparison, judged_runs):
    """No loss is above both baselines at both batch sizes; at M = 256 the order of losses changes with the length."""
    final = judged_runs[0].test_accuracy.unstack("batch_size")
    others = final.drop(["simclr", "dcl"])
    assert not (others > final.loc[["simclr", "dcl"]].max()).all(axis=1).any()
    runs = comparison[1]
    short = runs[(runs.role == "selected") & (runs.batch_size == 256)].groupby("method").test_accuracy.mean()
    assert list(short.sort_values().index) != list(final[256].sort_values().index)
    assert "In short: tuned, no loss is shown to be better than SimCLR and DCL at both batch sizes." in RESULTS
    at_four = runs[runs.selected & (runs.section == "losses") & (runs.batch_size == 256)]
    of_seeds = at_four.pivot(index="seed", columns="method", values="test_accuracy")
    others = of_seeds.drop(columns="dcl")
    assert (ttest_rel(others.to_numpy(), of_seeds[["dcl"]].to_numpy()).pvalue > 0.05).all()
    assert "With three seeds no difference to DCL at 4 epochs can be told from 0." in section(RESULTS, COMPARED)


def test_the_ranks_and_accuracies_quoted_of_the_main_comparison_are_those_of_its_runs(comparison, judged_runs):
    runs, (means, text) = comparison[1], judged_runs
    ranks = {size: means.z_effective_rank.xs(size, level="batch_size") for size in (64, 256)}
    here = "| M = 64 | {:.1f}, τ = 0.2 | {:.1f}, τ = 0.2 | {:.1f}, τ = 0.3 | {:.1f}, γ = 4 | {:.1f}, γ = 4 |"
    assert here.format(*ranks[64][ORDER]) in text
    here = "| M = 256 | {:.1f}, τ = 0.3 | {:.1f}, τ = 0.1 | {:.1f}, τ = 0.5 | {:.1f}, γ = 4 | {:.1f}, γ = 16 |"
    assert here.format(*ranks[256][ORDER]) in text
    assert list(ranks[256].sort_values(ascending=False).index[:2]) == ["dcl", "kcl-log"]
    accuracy = means.test_accuracy.unstack("batch_size")
    assert accuracy[256].idxmin() == "kcl-log"
    features = means.h_effective_rank
    assert f"features h*, exploratory; it lies between {features.min():.1f} and {features.max():.1f}." in text
    short = runs[runs.selected & (runs.section == "losses")].groupby(["method", "batch_size"]).mean(numeric_only=True)
    gained = (means.test_accuracy - short.test_accuracy)["simclr"]
    assert f"SimCLR gains {gained[64]:.1f} points at M = 64 and {gained[256]:.1f} at M = 256" in text
    at_once = short.test_accuracy.xs(256, level="batch_size")
    assert f"DCL's mean is last at 4 epochs ({at_once['dcl']:.1f} %; DHEL {at_once['dhel']:.1f}; three seeds" in text
    assert (at_once.idxmin(), accuracy[256].idxmax()) == ("dcl", "dcl")
    each = runs[runs.selected & (runs.section == "losses")].set_index(["method", "batch_size"]).z_effective_rank
    assert f"({each['dcl', 256].min():.1f} to {each['dcl', 256].max():.1f}) to" in text
    apart = (accuracy.max() - accuracy.min()).max()
    assert f"differ by more than {apart:.1f} at one batch size" in text
    before, after = short.z_effective_rank["dcl", 256], means.z_effective_rank["dcl", 256]
    assert f"DCL's rank goes from {before:.1f} (" in text
    assert f") to {after:.1f};" in text
    changes = (means.z_effective_rank - short.z_effective_rank).abs()
    assert f"of other settings it changes by at most {changes.drop(('dcl', 256)).max():.1f}." in text
    floors = runs[runs.section == "floors"].groupby("method").test_accuracy.mean()
    above = accuracy.loc["simclr"] - floors["pixels"]
    assert f"SimCLR is {above[64]:.1f} points above raw pixels at M = 64 and {above[256]:.1f} at M = 256" in text
    assert above.min() > 15
    gain = pd.read_csv(ROOT / f"paper_figures/{MAIN}/robustness.csv").set_index(["loss", "M"])[
        "gain if selected on test"
    ]
    at_length = f"for KCL log at M = 64 is at the grid's length {gain['KCL log', 64]:.1f} points below the best setting"
    assert f"{at_length} on test, as much as that loss's deficit there" in text
    deficit = means.test_accuracy["simclr", 64] - means.test_accuracy["kcl-log", 64]
    assert deficit == pytest.approx(gain["KCL log", 64], abs=0.1)
    others = gain.drop(("KCL log", 64)).max()
    assert f"of the others, and of KCL log at M = 256, that is at most {others:.1f}." in text
    scalings = (means.unit_test_accuracy - means.standardised_test_accuracy).abs()
    assert f"the two scalings differ by at most {scalings.max():.2f} points in the mean" in " ".join(CLAIMS.split())
    assert round(floors["pixels"] - floors["random"]) == 1
    assert f"supervised, the same network reaches {floors['supervised']:.1f} %" in text


def test_the_settings_quoted_of_the_main_comparison_are_those_selected(comparison):
    runs = comparison[1]
    settings = runs[runs.section == "final"].groupby(["method", "batch_size"]).parameters.first()
    taus = {at: of.split("temperature=")[1].split()[0] for at, of in settings.items() if "temperature" in of}
    expected = {("dhel", 64): "0.3", ("simclr", 64): "0.2", ("dcl", 64): "0.2", ("dcl", 256): "0.1"}
    assert taus == expected | {("dhel", 256): "0.5", ("simclr", 256): "0.3"}
    gammas = {at: of.split("gamma=")[1].split(".")[0] for at, of in settings.items() if "gamma" in of}
    assert gammas == {
        ("kcl-gaussian", 64): "4", ("kcl-gaussian", 256): "4", ("kcl-log", 64): "4", ("kcl-log", 256): "16",
    }  # fmt: skip
    scales = {at: of.split(" t=")[-1].removeprefix("t=").split()[0] for at, of in settings.items() if "gamma" in of}
    assert {at: float(t) for at, t in scales.items()} == {
        ("kcl-gaussian", 64): 1, ("kcl-gaussian", 256): 1, ("kcl-log", 64): 1, ("kcl-log", 256): 2,
    }  # fmt: skip
    told = "SimCLR τ = {} and {}, DCL {} and {}, DHEL `sum` {} and {}, KCL Gaussian t = 1 and γ = 4 at both, "
    told += "KCL log t = 1 and γ = 4, then t = 2 and γ = 16."
    at = [(name, size) for name in ("simclr", "dcl", "dhel") for size in (64, 256)]
    losses = (ROOT / "docs/losses.md").read_text(encoding="utf-8")
    assert told.format(*(taus[each] for each in at)) in section(losses, "In your own loop")
    mean = pd.read_csv(ROOT / "results/cifar10_causes/runs.csv").query("method == 'dhel-mean'")
    mean = mean[mean.parameters.str.contains("energy_weight=1.0") & (mean.epochs == 4)]
    temperature = mean.parameters.str.extract(r"temperature=([\d.]+)", expand=False)
    best = mean.groupby([mean.learning_rate, temperature]).validation_accuracy.mean().unstack().idxmax(axis=1)
    assert best.to_dict() == {0.3: "0.2", 1.0: "0.2"}
    told = (
        "for 4 epochs at τ = 0.1, 0.2 and 0.5, of which 0.2 has the highest validation accuracy at both rates, and for "
    )
    assert f"{told}12 at 0.1." in section(losses, "In your own loop")
    rates = settings.str.extract(r"learning_rate=([\d.]+)")[0]
    assert ((rates == "0.1").sum(), len(rates)) == (5, 10)
    text = section(RESULTS, COMPARED)
    assert "is selected in five of ten cases" in text


def test_the_findings_of_the_main_comparison_in_the_readme_are_those_of_its_ledger(comparison, judged_runs):
    claims, text = comparison[0].set_index(["id", "of", "against"]), section(README, "What was found")
    accuracy, untuned, rank = claims.loc["accuracy"], claims.loc["untuned-rate"], claims.loc["rank"]
    assert accuracy.verdict["dhel", "simclr"] == "not distinguishable"
    assert accuracy.note["dhel", "dcl"].startswith("above at M = 64; below at M = 256")
    assert re.findall(r": ([+-]\d\.\d)", accuracy.components["dhel", "dcl"]) == ["+1.0", "-1.0"]
    assert re.findall(r": ([+-]\d\.\d)", accuracy.components["dhel", "simclr"]) == ["+1.0", "-0.0"]
    assert (rank.verdict["dhel", "simclr"], f"{rank.estimate['dhel', 'simclr']:.0f}") == ("supported", "10")
    of_mixed = accuracy[accuracy.verdict == "mixed"]
    intervals = re.findall(r"\(([-+\d.]+) to ([-+\d.]+)\)", " ".join([*rank.components, *of_mixed.components]))
    assert len(intervals) == (len(rank) + len(of_mixed)) * 2, "at both batch sizes"
    half = max((float(high) - float(low)) / 2 for low, high in intervals)
    assert f"a / b is M = 64 / 256, ± {half:.1f} at most." in section(README, "Claim by claim")
    told = "DHEL's projections span {:.0f} more of 64 dimensions (effective rank) than SimCLR's, KCL"
    told += " Gaussian's {:.0f} fewer;"
    assert told.format(*rank.estimate[[("dhel", "simclr"), ("kcl-gaussian", "simclr")]].abs()) in text
    assert rank.verdict["kcl-gaussian", "simclr"] == "contradicted"
    assert not (accuracy.verdict == "supported").any()
    assert "no gain of tuned DHEL or KCL is supported." in text
    told = "at batch size M = 64 (half that by nearest neighbours, nothing at 4 epochs), at 256 level with SimCLR and a"
    assert f"{told} point below DCL;" in text
    assert "than DCL's 14 more at M = 64, 15 fewer at 256." in text
    assert "tuned at 4 epochs, six seeds at 12)" in text
    assert set(comparison[1].query("section == 'final'").groupby(["method", "batch_size"]).seed.nunique()) == {6}
    assert "M = 256: -0.09 (-0.82 to +0.64)" in accuracy.components["dhel", "simclr"]
    assert re.findall(r": ([+-]\d+)", rank.components["dhel", "dcl"].replace(".", " ")) == ["+13", "-14"]
    accuracies = judged_runs[0].test_accuracy
    assert f"the losses reach {accuracies.min():.1f} to {accuracies.max():.1f} %: DHEL is a point above" in text
    below = {
        name: [-float(part) for told in accuracy.components[name] for part in re.findall(r": ([+-]\d\.\d+)", told)]
        for name in ("kcl-gaussian", "kcl-log")
    }
    assert [len(parts) for parts in below.values()] == [2 * 2, 2 * 2], "of both batch sizes and both baselines"
    assert -0.1 < min(below["kcl-gaussian"]) < 0, "level"
    most, log = max(below["kcl-gaussian"]), below["kcl-log"]
    assert f"KCL Gaussian is up to {most:.1f} below them, KCL log {min(log):.1f} to {max(log):.1f}." in text
    of_log, of_gaussian = (accuracy.loc[name] for name in ("kcl-log", "kcl-gaussian"))
    assert (of_log.blocked_p_holm < 0.05).all()
    assert set(of_log.verdict) == {"contradicted"}
    assert not of_log.equivalent.any()
    assert ((of_gaussian.blocked_p_holm > 0.05) & (of_gaussian.equivalent | (of_gaussian.p_holm > 0.05))).all()
    assert {f"{untuned.estimate['dhel', against]:.1f}" for against in ("simclr", "dcl")} == {"0.9"}
    assert "Untuned (mean of the grid, 4 epochs, one seed) DHEL is 0.9 above both (DCL: less sure)." in text
    for against in ("simclr", "dcl"):
        assert claims.verdict["untuned", "dhel", against] == "not distinguishable"
    of_kernels = accuracy.verdict[["kcl-gaussian", "kcl-log"]].value_counts()
    assert of_kernels.to_dict() == {"contradicted": 3, "not distinguishable": 1}
    assert (untuned.verdict["dhel"] == "supported").all()
    assert not untuned.verdict.drop("dhel").isin(["supported", "mixed"]).any()


def test_what_the_grid_of_the_main_comparison_is_said_to_show_is_so(comparison):
    """After the fact, of seed 0 at the short length, at equal temperature and rate."""
    claims, runs, _ = comparison
    grid = runs[(runs.role == "grid") & runs.parameters.str.contains("temperature")]
    temperature = grid.parameters.str.extract(r"temperature=([\d.]+)")[0].astype(float)
    at = [grid.batch_size, temperature.rename("temperature"), grid.learning_rate, grid.method]
    rank, accuracy = (grid.set_index(at)[name].unstack("method") for name in ("z_effective_rank", "test_accuracy"))
    assert len(rank.dropna()) == 16 * 2
    assert (rank.dhel > rank[["simclr", "dcl"]].max(axis=1)).all()
    lead = accuracy[["simclr", "dcl"]].rsub(accuracy.dhel, axis=0)
    by_temperature, rates = lead.groupby("temperature").mean(), lead.groupby("learning_rate").mean()
    inner, outer = by_temperature.loc[[0.2, 0.3]].mean(), by_temperature.loc[[0.1, 0.5]].mean()
    text = section(RESULTS, COMPARED)
    told = f"at τ = 0.1 and 0.5 it is {outer.simclr:.1f} over SimCLR and {outer.dcl:.1f} over DCL, at 0.2 and 0.3 it is"
    assert f"{told} {inner.simclr:.1f} and {inner.dcl:.1f}." in text
    cold = {size: lead.loc[size, 0.1].mean() for size in (64, 256)}
    there = f"there it is {cold[256].simclr:.1f} and {cold[256].dcl:.1f}, at M = 64 {cold[64].simclr:.1f} and"
    assert f"At τ = 0.1 it comes from M = 256: {there} {cold[64].dcl:.1f}." in text
    one = accuracy.loc[256, 0.1, 3.0]
    assert f"where DHEL has {one.dhel:.1f} %, SimCLR {one.simclr:.1f} and DCL {one.dcl:.1f}, makes" in text
    share = lead.loc[256, 0.1, 3.0] / lead.sum()
    assert (share.simclr, share.dcl) == (pytest.approx(1 / 5, abs=0.01), pytest.approx(1 / 4, abs=0.015))
    assert lead.loc[256, 0.1, 3.0].equals(lead.max())
    rest = lead.drop(index=(256, 0.1, 3.0)).mean()
    assert f"without it these are {rest.simclr:.2f} and {rest.dcl:.2f}." in text
    untuned = claims[(claims.id == "untuned-rate") & (claims.of == "dhel")]
    assert ((untuned.low < 1) & (untuned.high > 1)).all(), "include the margin"
    assert rates.idxmax().eq(3).all()
    rest = rates.drop(3).mean()
    assert f"without that it is {rest.simclr:.2f} and {rest.dcl:.2f}, which this test" in text
    planned = claims[claims.status == "confirmatory"].set_index(["id", "of", "against"])
    p = planned.p.copy()
    for row in untuned.itertuples():
        error = (row.high - row.low) / 2 / stdtrit(row.df, 0.975) * math.sqrt(16 / 12)  # of fewer points
        p["untuned-rate", "dhel", row.against] = Estimate(rest[row.against], error, row.df).p_value(0)
    corrected = dict(zip(p.index, holm(list(p)), strict=True))
    assert all(corrected["untuned-rate", "dhel", against] > 0.05 for against in rest.index)
    (note,) = claims.note[(claims.id == "accuracy") & (claims.of == "kcl-gaussian") & (claims.against == "simclr")]
    assert "with whole seeds as the unit not distinguishable (p = 0.084)" in note
    judged = runs[runs.section == "final"].groupby(["method", "batch_size"])
    lead = {name: judged[name].mean().unstack("batch_size") for name in ("test_accuracy", "knn_accuracy")}
    halves = [lead[name].loc["dhel", 64] - lead[name].loc[["simclr", "dcl"], 64] for name in lead]
    assert (halves[1] / halves[0]).between(0.35, 0.65).all()
    behind = [
        lead[name].loc[[against]].to_numpy() - lead[name].loc[["kcl-gaussian", "kcl-log"]]
        for against in ("simclr", "dcl")
        for name in lead
    ]
    larger = [(behind[i + 1] > behind[i]).to_numpy().sum() for i in (0, 2)]
    assert sum(larger) > 4, "of eight"


def test_the_weights_that_were_lost_are_those_of_one_processor(comparison):
    made = read_json(ROOT / f"results/{MAIN}/provenance.json")["runs"]["made"]
    assert sorted(made["processor"].values()) == [12, 234]
    runs = comparison[1]
    later = runs[runs.git_revision == min(made["git_revision"], key=made["git_revision"].get)]
    assert (set(later.method), set(later.section), len(later)) == ({"dcl"}, {"final"}, 12)
    assert "after 234 of 246 trainings" in section(RESULTS, COMPARED)


def test_the_runs_beside_which_another_processor_is_set_are_those_of_the_main_comparison(comparison):
    """And the mean difference in accuracy follows from the table."""
    _, runs, titles = comparison
    page = (ROOT / "benchmarks/README.md").read_text()
    row = r"^\| ([^|,]+), M = (\d+), (\d+) epochs, seed (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|"
    quoted = re.findall(row, page, re.MULTILINE)
    assert len(quoted) == 11
    titled = (
        runs[runs.selected].assign(title=runs.method.map(titles)).set_index(["title", "batch_size", "epochs", "seed"])
    )
    for title, *at, accuracy, _, rank in quoted:
        run = titled.loc[(title, *map(int, at))]
        assert (accuracy, rank) == (f"{run.test_accuracy:.2f}", f"{run.z_effective_rank:.1f}")
    changes = [float(there) - float(here) for *_, epochs, _, here, there, _ in quoted if epochs == "12"]
    interval = ttest_1samp(changes, 0).confidence_interval(0.95)
    told = with_interval(np.mean(changes), *interval, 2).replace("-", "−")
    assert f"EPYC less Xeon is {told.replace(' (', ' (', 1)} points" in page
    first, rest = told.split(" ", 1)
    assert f"{first} points {rest}: a shift" in section(RESULTS, COMPARED)
    assert f"single runs differ by up to {np.abs(changes).max():.1f} points" in page
    of_dcl = [abs(float(there) - float(here)) for *_, epochs, _, here, there, _ in quoted if epochs == "4"]
    assert f"(DCL's at 4 epochs by up to {max(of_dcl):.1f})" in page


def test_equal_updates_are_asked_at_the_settings_that_the_main_comparison_selected(comparison):
    """At M = 64, but for the rate."""
    runs = comparison[1].query("section == 'final' and batch_size == 64")
    selected = runs.groupby("method").parameters.first().str.replace(r" learning_rate=\S+", "", regex=True)
    asked = Suite.load(ROOT, "cifar10_updates").runs
    settings = {(run.method, run.setting.parameters) for run in asked if run.role == "grid"}
    without = {(method, re.sub(r" learning_rate=\S+", "", setting)) for method, setting in settings}
    assert without == set(selected.items())


def test_what_is_quoted_of_equal_updates_is_that_of_its_ledger_and_runs(comparison):
    claims, _, titles = comparison
    (text,) = re.findall(r"^### Equal updates\n(.*?)^### ", RESULTS, re.MULTILINE | re.DOTALL)
    text = " ".join(text.split())
    updates = pd.read_csv(ROOT / "results/cifar10_updates/claims.csv")
    assert set(updates.status) == {"exploratory"}
    assert table("paper_figures/cifar10_updates/linear_evaluation.md") in RESULTS
    leads = [each[each.id == "small-batches"].set_index(["of", "against"]) for each in (claims, updates)]
    for of, against in leads[0].index:
        cells = [told(each.loc[of, against], 2) for each in leads]
        assert f"| {titles[of]} less {titles[against]} | {' | '.join(cells)} |" in text
    judged = [set(each.verdict) - {"not distinguishable"} for each in leads]
    assert judged == [{"supported", "contradicted"}, set()], "neither of two has a verdict"
    assert f"may be larger at M = 64 by up to {leads[1].high['dhel', 'dcl']:.1f} points." in text
    found = updates.set_index(["id", "of", "against"])
    whole = {
        pair: with_interval(row.estimate, row.low, row.high, 2).replace("-", "−")
        for pair, row in found.loc["accuracy"].iterrows()
    }
    assert f"DHEL less SimCLR is {whole['dhel', 'simclr']}: within the margin; less DCL {whole['dhel', 'dcl']}:" in text
    assert f"KCL Gaussian less DCL is {whole['kcl-gaussian', 'dcl']}: *not distinguishable*." in text
    below = {
        pair: f"{-row.estimate:.2f} ({-row.high:.2f} to {-row.low:.2f})"
        for pair, row in found.loc["accuracy"].iterrows()
    }
    log = [below["kcl-log", against] for against in ("simclr", "dcl")]
    told_below = f"below SimCLR, by {below['kcl-gaussian', 'simclr']}, and KCL log below SimCLR and DCL, by"
    assert f"{told_below} {log[0]} and {log[1]}: *contradicted*." in text
    contradicted = {("kcl-gaussian", "simclr"), ("kcl-log", "simclr"), ("kcl-log", "dcl")}
    assert {pair for pair, row in found.loc["accuracy"].iterrows() if row.verdict == "contradicted"} == contradicted
    assert set(found.loc["accuracy"].verdict) == {"contradicted", "not distinguishable"}
    assert found.equivalent["accuracy", "dhel", "simclr"]
    rank = {
        pair: [float(part) for part in re.findall(r": ([+-][\d.]+) \(", row.components)]
        for pair, row in found.loc["rank"].iterrows()
    }
    above = [part for (of, _), parts in rank.items() for part in parts if of == "dhel"]
    lower = [-part for (of, _), parts in rank.items() for part in parts if of != "dhel"]
    assert (len(above), len(lower)) == (2 * 2, 4 * 2)
    assert f"at both batch sizes, by {min(above):.1f} to {max(above):.1f} dimensions: *supported*;" in text
    assert f"the two KCL are below, by {min(lower):.1f} to {max(lower):.1f}: *contradicted*." in text
    verdicts = {(of == "dhel", row.verdict) for (of, _), row in found.loc["rank"].iterrows()}
    assert verdicts == {(True, "supported"), (False, "contradicted")}
    assert (claims[claims.id == "rank"].verdict == "mixed").sum() == 2, "as two of six do in the main comparison"


def test_the_runs_at_equal_updates_are_as_described():
    runs = pd.read_csv(ROOT / "results/cifar10_updates/runs.csv")
    (text,) = re.findall(r"^### Equal updates\n(.*?)^### ", RESULTS, re.MULTILINE | re.DOTALL)
    text = " ".join(text.split())
    steps = (
        pd.read_csv(ROOT / "results/cifar10_updates/epochs.csv").groupby(["batch_size", "method", "seed"]).step.max()
    )
    assert f"with {steps.max():,} updates, which are 4 epochs at M = 64 and 16 at M = 256." in text
    assert set(steps) == {2812}
    assert runs.epochs.round(2).groupby(runs.batch_size).unique().map(list).to_dict() == {64: [4.0], 256: [16.0]}
    selected = runs[runs.selected]
    rates = selected.groupby(["method", "batch_size"]).learning_rate.unique().map(list)
    assert (len(rates), (rates.str[0] == 0.1).sum(), rates.str.len().max()) == (10, 5, 1)
    assert runs[runs.role == "grid"].learning_rate.nunique() == 5
    main = pd.read_csv(ROOT / f"results/{MAIN}/runs.csv").query("selected and section == 'losses' and batch_size == 64")
    key = ["method", "batch_size", "parameters", "seed"]
    again = selected.merge(main, on=key).query("seed > 0 and method != 'random' and method != 'pixels'")
    assert set(zip(again.method, again.seed, strict=True)) == {
        (name, seed) for name in ("simclr", "dcl") for seed in (1, 2)
    }
    assert "at M = 64 SimCLR's and DCL's runs repeat short ones of the main comparison." in text
    gained = selected.groupby(["method", "batch_size"]).test_accuracy.mean().unstack()
    gained = gained[256] - gained[64]
    assert f"which add {gained.min():.1f} to {gained.max():.1f} points to a loss." in text


@pytest.mark.parametrize("heading", CAUSES)
def test_the_verdicts_quoted_of_causes_are_those_of_their_suite(heading):
    quoted = [cells for cells in rows(README, "Claim by claim") if cells[0].startswith("C6 causes")]
    *_, effect, verdicts, figure = dict(zip(CAUSES, quoted, strict=True))[heading]
    assert f"paper_figures/{CAUSES[heading]}/causes.png" in figure
    causes = verdicts_of_causes(heading)
    words = STEPS_OF_CAUSES if heading == CIFAR10_RANK else dict.fromkeys(STEPS_OF_CAUSES, "")
    told = [f"{what} {plus_minus(causes.loc[name])}".strip() for name, what in words.items()]
    steps = f"{', '.join(told[:-1])}; {told[-1]}".replace("-", "−")
    assert effect.removeprefix("dimensions of rank, mean over τ, at equal rates: ") == steps
    assert set(causes.status) == {"confirmatory"}
    found = ", ".join(f"{count} {verdict}" for verdict, count in causes.verdict.value_counts().items())
    small = causes.note.str.contains("at equal rates the 90% interval lies within", na=False)
    assert verdicts == found + f" ({small.sum()} within the margin at equal rates)" * bool(small.any())
    assert not causes.equivalent.any()


def verdicts_of_causes(heading):
    return pd.read_csv(ROOT / f"results/{CAUSES[heading]}/claims.csv").query("claim == 'C6 causes'").set_index("id")


def test_what_was_not_run_is_in_bold():
    bold = " ".join(re.findall(r"\*\*([^*]+)\*\*", section(README, "What was found")))
    assert ("not finished" in bold) == ("not finished" in STATES[MAIN])
    for name in ("CIFAR-10", "CIFAR-100", "STL-10", "ImageNet-100"):
        assert (name in bold) == (STATES[name.lower().replace("-", "")] == "not run")


def at_most(value, decimals=None):
    """A bound in words, rounded to the side on which it stays true; to one digit where no decimals are asked for."""
    return bound(value, decimals, ROUND_CEILING)


def at_least(value, decimals=None):
    return bound(value, decimals, ROUND_FLOOR)


def bound(value, decimals, rounding):
    exact = Decimal(value)
    digit = Decimal(1).scaleb(exact.adjusted() if decimals is None else -decimals)
    return f"{exact.quantize(digit, rounding):e}" if decimals is None else str(exact.quantize(digit, rounding))


def test_bounds_are_rounded_to_the_side_on_which_they_are_true():
    assert (at_most(1.42e-13), at_least(1.42e-13), at_most(0.131, 2), at_least(0.397, 2)) == (
        *("2e-13", "1e-13"),
        *("0.14", "0.39"),
    )


@pytest.fixture(scope="module")
def measured():
    """Value that a statement of the theory has, by an experiment and words of the statement."""

    def value(experiment, *words):
        statements = read_json(THEORY / f"{experiment}.json")
        (found,) = [each for each in statements if all(word in each["statement"] for word in words)]
        return found["measured"]

    return value


@pytest.fixture(scope="module")
def starts():
    """From random points."""
    return pd.read_csv(THEORY / "local_minima.csv").query("begun == 'random'")


def test_the_minimisers_quoted_are_those_of_the_theory(measured, starts):
    gap = at_most(measured("local_minima", "value; largest gap"))
    settings = len(starts.groupby(["method", "temperature", "weight", "t", "gamma"], dropna=False))
    gaps = [each["measured"] for each in read_json(THEORY / "minima.json") if "largest gap" in each["statement"]]
    elsewhere = at_most(max(gaps))
    row = " ".join(rows(README, "Claim by claim")[0])
    assert f"{settings} settings, 8 pairs in 4 dimensions" in row
    assert (
        f"the {settings} settings, {len(starts) // settings} starts each; batches | reach the minimum at weights"
        in README
    )
    assert f"Of {len(starts) // settings} a setting, 8 pairs in 4 dimensions" in section(RESULTS, "Theory")
    assert f"gap to the least value at most {elsewhere}; {gap}" in row
    assert f"for all ten losses, to {elsewhere} of the closed-form value" in section(RESULTS, "Theory")
    assert f"with 8 pairs in 4 dimensions it does so at all {settings} settings" in section(RESULTS, "Theory")
    assert f"of kernel scale and γ, to {gap}; but" in section(RESULTS, "Theory")
    arrived = starts[starts.reached & (starts.temperature == 0.05)]
    apart = at_most(arrived.distance_to_optimum.max())
    best = starts.loc[starts.groupby(["method", "temperature", "weight"]).gap.idxmin()]
    nearest = at_most(best[best.temperature == 0.05].distance_to_optimum.max())
    told = f"where the best ends are up to {nearest} away and others that arrive up to {apart}."
    assert told.replace("e-0", "e-") in section(RESULTS, "Theory")
    minima = pd.read_csv(THEORY / "minima.csv")
    assert minima.method.nunique() == 10
    assert f"theory: {len(minima.groupby(['dim', 'count']))} sizes; {settings} settings" in row
    log = minima.query("method == 'kcl-log' and dim == 4 and count == 5")
    text = f"KCL log arrived from {log.reached.sum()} of {len(log)} starts with 5 pairs in 4 dimensions"
    assert text in section(RESULTS, "Theory")
    batches = pd.read_csv(THEORY / "minibatches.csv").query(
        "batch_size < 12 and method in ['simclr', 'dcl', 'dhel', 'kcl-log']"
    )
    left = at_least(batches.variance.min(), 3)
    assert f"a variance of at least {left}," in section(RESULTS, "Theory")


def test_the_local_minima_quoted_are_those_of_the_theory(starts):
    """Of a table row: those that end in one, of how many, and where there are none, how many there may be."""

    def ended(rows):
        return rows.local_minimum.eq(True).sum()

    def none_of(rows):
        assert rows.reached.all()
        highest = binomtest(0, len(rows)).proportion_ci(0.95, "exact").high
        return f"0 of {len(rows)} (at most {at_most(100 * highest, 1)} %)"

    simclr, heavy = starts[starts.method == "simclr"], starts.query("method == 'dhel-mean' and weight == 4")
    at_one = starts[starts.method.isin(["infonce", "simclr", "dcl", "dhel-mean"]) & (starts.weight == 1)]
    dcl = starts.query("method == 'dcl' and weight > 1")
    doubled = starts.query("method == 'dhel-mean' and weight == 2")
    other_kernels = starts[starts.method.isin(["kcl-log", "kcl-imq", "kcl-riesz"])]
    (alone,) = other_kernels[other_kernels.local_minimum.eq(True)].itertuples()
    assert (alone.method, alone.t, alone.gamma) == ("kcl-log", 4, 16)
    assert set(simclr[simclr.local_minimum.eq(True)].weight) == {4}
    gaussian = starts[starts.method == "kcl-gaussian"]
    low = [ended(heavy[heavy.temperature == temperature]) for temperature in (0.05, 0.1, 0.15, 0.2, 0.3)]
    sums = [ended(doubled[doubled.temperature == temperature]) for temperature in (0.05, 0.1)]
    assert (sum(low), sum(sums)) == (ended(heavy), ended(doubled)), "none at higher temperatures"
    at_1 = gaussian[gaussian.t == 1]
    expected = {
        "SimCLR, τ from 0.05 to 1, weights from 0.5 to 4": f"{ended(simclr)} of {len(simclr)}, both at weight 4",
        "InfoNCE, SimCLR, DCL, DHEL mean at weight 1": none_of(at_one),
        "DCL at weights 2 and 4": f"{ended(dcl)} of {len(dcl)}",
        "DHEL sum (weight 2) at τ = 0.05, 0.1": "{} and {} of 30".format(*sums),
        "DHEL mean with weight 4 at τ = 0.05, 0.1, 0.15, 0.2, 0.3": "{}, {}, {}, {} and {} of 30".format(*low),
        "KCL Gaussian": f"{ended(gaussian)} of {len(gaussian)}, of these {ended(at_1)} of {len(at_1)} at t = 1",
        "KCL log, IMQ, Riesz": f"{ended(other_kernels)} of {len(other_kernels)} (KCL log, t = 4, γ = 16)",
    }
    lines = RESULTS[RESULTS.index("starts that end in a local minimum") :].split("\n\n")[0].splitlines()[2:]
    for line, (loss, count) in zip(lines, expected.items(), strict=True):
        assert line == f"| {loss} | {count} |"
    assert [simclr[name].agg(["min", "max"]).tolist() for name in ("temperature", "weight")] == [[0.05, 1], [0.5, 4]]
    arrived = starts.groupby(["method", "weight"]).reached.sum()
    mean, of_simclr = ([str(arrived[name, weight]) for weight in (1, 2, 4)] for name in ("dhel-mean", "simclr"))
    assert set(starts.groupby(["method", "weight"]).size()) == {210}
    told = f"at weights 1, 2, 4: DHEL mean {', '.join(mean)} of 210, SimCLR {', '.join(of_simclr)}"
    assert f"{told}; KCL Gaussian: {gaussian.reached.sum()} of {len(gaussian)} |" in README


def test_the_local_minimum_that_random_starts_miss_is_where_it_is_said(starts):
    table = pd.read_csv(THEORY / "local_minima.csv").query("begun == 'triangle and pentagon'")
    found = table[table.local_minimum.eq(True)].groupby("method")
    weights = {method: {tau: set(of.weight) for tau, of in here.groupby("temperature")} for method, here in found}
    every = {temperature: {0.5, 1.0, 2.0, 4.0} for temperature in (0.05, 0.2, 0.3)}
    assert {name: weights[name] for name in ("dcl", "dhel-mean")} == {"dcl": every, "dhel-mean": every}
    assert weights["simclr"] == {0.15: {4.0}, 0.2: {4.0}, 0.3: {4.0}}
    assert not starts.query("weight == 1").local_minimum.eq(True).any()
    setting = ["method", "temperature", "weight"]
    gaps = table[table.local_minimum.eq(True)].set_index(setting).gap
    ended = starts[starts.local_minimum.eq(True) & starts.temperature.notna()].set_index(setting)
    there = ended[np.isclose(ended.gap, gaps.reindex(ended.index), rtol=1e-6)].index
    assert there.tolist() == [("simclr", 0.2, 4.0)]
    assert "one of SimCLR's ended there (τ = 0.2, weight 4), and none elsewhere" in section(RESULTS, "Theory")
    assert "miss at all settings but one (SimCLR, τ = 0.2, weight 4)" in section(CLAIMS, "Theory")
    circle = pd.read_csv(THEORY / "circle.csv").query("method == 'dcl' and objective == 'energy'")
    assert f"where {circle.reached.sum()} of {len(circle)} starts end" in RESULTS


def test_the_expectations_quoted_are_those_of_the_theory(measured):
    same, changes = (
        at_most(measured("batch_size", "KCL: the mean")),
        at_least(measured("batch_size", "smallest change"), 2),
    )
    assert f"KCL's mean changes by {same} at most, that of the others by {changes} nats or more" in README
    text = section(RESULTS, "Theory")
    assert f"for every batch size, to {same};" in text
    assert f"changes by {changes} nats or more" in text
    assert f"to within {at_most(100 * measured('batch_size', 'closed form'), 2)} % of the loss's range" in text
    assert f"at M = 2 is {at_least(100 * measured('batch_size', 'M = 2, less'), 2)} % or more away" in text
    table = pd.read_csv(THEORY / "batch_size.csv").query("sampling == 'uniform' and batch_size >= 4")
    far = 100 * shares(table, "limit").far
    near = 100 * shares(table, "limit").near[table.batch_size == 4].groupby(table.method).min()
    assert f"({near['infonce']:.0f} and {near['simclr']:.0f} % at M = 4)" in text
    assert far[table.method.str.startswith(("dcl", "dhel"))].max() < 100 * MARGIN


def test_the_collapse_quoted_is_that_of_the_theory(measured):
    ratio = {rank: f"{measured('uniformity', f'to {rank} of', 'ratio'):.2f}" for rank in (64, 32)}
    assert f"divided by uniformity's: {ratio[64]} at 64 dimensions, {ratio[32]} at 32, below 1 at 4 |" in README
    text, difference = section(RESULTS, "Theory"), {k: measured("uniformity", f"to {k} of") for k in (8, 4)}
    assert f"moves {ratio[64]} and {ratio[32]} times as far as uniformity" in text
    assert f"(difference of the shares {difference[8]:.3f})" in text
    table = pd.read_csv(THEORY / "uniformity.csv").query("family == 'sub-sphere'")
    energy = np.exp(table.uniformity).groupby(table["rank"]).mean()
    metrics = table.groupby("rank").wasserstein_uniformity.mean()
    for rank in (8, 4):
        of_energy = (energy[rank] - energy[128]) / (1 - energy[128])
        assert (metrics[rank] - metrics[128]) / (1 - metrics[128]) > of_energy
    assert f"moves less (−{-difference[4]:.3f}), at 2 too, and at 1 more." in text
    share = {
        name: (here - here[128]) / (collapsed - here[128])
        for name, collapsed in (("uniformity", 0), ("wasserstein_uniformity", 1))
        for here in [table.groupby("rank")[name].mean()]
    }
    metric_less = share["wasserstein_uniformity"] < share["uniformity"]
    assert (metric_less[2], metric_less[1]) == (True, False)
    assert share["wasserstein_uniformity"][4] < share["uniformity"][4], "the ratio is below 1 at 4"
    ranks, metric = table.groupby("rank").effective_rank.mean(), share["wasserstein_uniformity"]
    moved = (ranks[128] - ranks) / (ranks[128] - 1)
    far = f"by {100 * moved[64]:.0f} % of its range where 128 dimensions become 64, the metric by"
    assert f"Down to 2 dimensions the effective rank moves far more than both: {far} {100 * metric[64]:.1f} %." in text
    lower = metric.index[(metric.index > 1) & (metric.index < 128)]
    assert (moved[lower] > 1.5 * np.maximum(metric, share["uniformity"])[lower]).all()


POSITIVE, CROSS_VIEW = "positive removed: DCL - SimCLR", "other view's negatives removed: DHEL mean - DCL"
WEIGHT, TEMPERATURE = "weight doubled: DHEL sum - mean", "temperature: lowest - highest"
EQUAL, PICKED = "equal, mean", "each side's best"


def effects_of_causes(suite):
    """An effect as docs/results.md writes it, by name, learning rate, setting, and the measure's column."""
    table = pd.read_csv(ROOT / f"paper_figures/{suite}/causes_effects.csv").fillna("")
    found = table.set_index(["effect of", "learning rate", "at"])

    def told(name, rate, at="all", column="effective rank of z"):
        return found.loc[(name, rate, at), column].replace("-", "−")

    return told


def read_suite(suite, dataset):
    return DatasetRuns(Results(ROOT / f"results/{suite}", Suite.load(ROOT, suite)), dataset, ledger.read().rules)


@pytest.fixture(scope="module")
def causes():
    return read_suite("digits_causes", "digits")


@pytest.fixture(scope="module")
def cifar10_causes():
    return read_suite("cifar10_causes", "cifar10")


@pytest.fixture(scope="module")
def chain(cifar10_causes):
    """Runs at the length at which the steps are judged."""
    runs = cifar10_causes.causes.runs
    return runs[runs.length == 4]


def means(runs):
    """Of every setting and learning rate of the causes, by what makes a setting."""
    by = [runs[name] for name in (*FACTORS, "rate")]
    measures = runs[["z_effective_rank", "z_alignment", "validation_accuracy", "test_accuracy"]]
    return measures.groupby(by, dropna=False).mean().reset_index()


@pytest.fixture(scope="module")
def points(causes):
    return means(causes.causes.runs)


DIGITS_TAUS = [f"τ = {temperature}, length = 1000" for temperature in (0.05, 0.1, 0.15, 0.2, 0.5)]
TAUS = {DIGITS_RANK: DIGITS_TAUS, CIFAR10_RANK: [f"τ = {temperature}, length = 4" for temperature in (0.1, 0.2, 0.5)]}
STEPS_IN_WORDS = {
    POSITIVE: "positive removed: DCL less SimCLR",
    CROSS_VIEW: "other view's negatives removed: DHEL mean less DCL",
    WEIGHT: "weight doubled: DHEL sum less mean",
}
BOTH = "both removed: DHEL mean - SimCLR"
POINTS, APART = "accuracy (points)", "alignment of z"
NEAREST, ABOUT_THE_MEAN = "k-NN accuracy (points)", "of h, centred"


@pytest.mark.parametrize("heading", CAUSES)
def test_the_tables_of_causes_quoted_are_those_of_their_suites(heading):
    effect, text = effects_of_causes(CAUSES[heading]), section(RESULTS, heading)
    for name, step in STEPS_IN_WORDS.items():
        cells = [*(effect(name, EQUAL, at) for at in TAUS[heading]), effect(name, EQUAL), effect(name, PICKED)]
        assert f"| {step} | {' | '.join(cells)} |" in text
    cells = [*(effect(BOTH, EQUAL, at) for at in TAUS[heading]), effect(BOTH, EQUAL), effect(BOTH, PICKED)]
    assert f"| both removed: DHEL mean less SimCLR | {' | '.join(cells)} |" in text
    losses = ["simclr, w = 1", "dcl, w = 1", "dhel-mean, w = 1", "dhel-mean, w = 2", "all"]
    cells = [*(effect(TEMPERATURE, EQUAL, at) for at in losses), effect(TEMPERATURE, PICKED)]
    assert f"| {' | '.join(cells)} |" in text
    steps, told = (*STEPS_IN_WORDS, TEMPERATURE), {"test accuracy (points)": POINTS}
    told |= {"accuracy by nearest neighbours (points)": NEAREST, "rank of the features h": "effective rank of h"}
    told |= {"rank of h about its mean": ABOUT_THE_MEAN, "squared distance between two views": APART}
    for what, column in told.items():
        cells = [effect(name, EQUAL, column=column) for name in steps]
        assert f"| {what} | {' | '.join(cells)} |" in text


def test_the_effects_quoted_of_causes_on_digits_are_those_of_their_tables():
    effect, text, taus = effects_of_causes("digits_causes"), section(RESULTS, DIGITS_RANK), DIGITS_TAUS
    at = [effect(CROSS_VIEW, PICKED, taus[0]), effect(CROSS_VIEW, PICKED, taus[2])]
    assert f"At best rates it adds {at[0]} there and {at[1]} at 0.15." in text
    same = [effect(CROSS_VIEW, "0.03", at).split()[0] for at in (taus[0], taus[2])]
    assert f"with 0.03 on both sides the two are {same[0]} and {same[1]}." in text
    at = [effect(POSITIVE, PICKED, taus[3]), effect(POSITIVE, "0.03", taus[3]).split()[0]]
    assert f"So does the positive's {at[0]} at τ = 0.2, which is {at[1]} with 0.03 on both sides." in text
    changed = [effect(name, EQUAL, column=POINTS) for name in STEPS_IN_WORDS]
    assert f"the positive's {changed[0].split()[0]} is " in text
    assert max(abs(float(end)) for each in changed for end in numbers(each)) < 0.5, "well less than the margin of 1"
    gamma = {
        (kernel, step): f"{effect(name, EQUAL).split()[0]} | {effect(name, EQUAL, column=POINTS)}"
        for kernel in ("Gaussian", "log")
        for step in ("4 - 1", "16 - 4")
        for name in [f"KCL {kernel}: γ = {step}"]
    }
    for kernel in ("Gaussian", "log"):
        assert f"| KCL {kernel} | {gamma[kernel, '4 - 1']} | {gamma[kernel, '16 - 4']} |" in text


def test_the_ranks_of_features_quoted_are_those_of_the_causes(chain):
    effect, text = effects_of_causes("digits_causes"), section(RESULTS, CIFAR10_RANK)
    of_h = "effective rank of h"
    assert max(numbers(effect(TEMPERATURE, EQUAL, column=of_h))) < 0, "lower at the lowest temperature"
    assert not excludes_0(effect(TEMPERATURE, EQUAL, column=ABOUT_THE_MEAN))
    assert excludes_0(effect(POSITIVE, EQUAL, column=of_h))
    assert not excludes_0(effect(POSITIVE, EQUAL, column=ABOUT_THE_MEAN))
    less = f"raises the rank of h less, by {effect(WEIGHT, EQUAL, column=of_h)}, and accuracy not."
    assert less in text
    assert not excludes_0(effect(WEIGHT, EQUAL, column=POINTS))

    def by_rate(column):
        """Lowest less highest temperature."""
        rank = chain.groupby(["rate", "temperature"])[column].mean().unstack("temperature")
        return [signed(change, 1).replace("-", "−") for change in rank[0.1] - rank[0.5]]

    slow, fast = by_rate("h_effective_rank")
    centred = by_rate("h_effective_rank_centred")
    opposites = f"mean of opposites, {slow} at rate 0.3 and {fast} at 1; about their mean {' and '.join(centred)}."
    assert opposites in text


def test_what_nearest_neighbours_say_of_the_causes_is_that_of_their_table():
    effect, text = effects_of_causes("cifar10_causes"), section(RESULTS, CIFAR10_RANK)
    at = effect(WEIGHT, EQUAL, "τ = 0.5, length = 4", NEAREST).replace("+", "")
    cold, by_probe = (effect(TEMPERATURE, EQUAL, column=column) for column in (NEAREST, POINTS))
    told = f"the weight adds twice as much, {at} at τ = 0.5, and the lowest temperature {cold.replace('+', '')}, where"
    assert f"{told} the linear probe sees {by_probe}." in text
    twice, once = (float(effect(WEIGHT, EQUAL, column=column).split()[0]) for column in (NEAREST, POINTS))
    assert twice / once == pytest.approx(2, abs=0.1)
    equal, picked = (effect(BOTH, rate).split()[0].lstrip("+") for rate in (EQUAL, PICKED))
    told = f"is {equal} dimensions above SimCLR at equal rates, and {picked} at best ones, where it is"
    assert f"{told} {effect(BOTH, PICKED, 'τ = 0.2, length = 4')} at τ = 0.2." in text


def test_the_effects_quoted_of_causes_on_cifar10_are_those_of_their_tables():
    effect, text, taus = effects_of_causes("cifar10_causes"), section(RESULTS, CIFAR10_RANK), TAUS[CIFAR10_RANK]
    causes = verdicts_of_causes(CIFAR10_RANK)
    rank = causes.estimate
    whole = rank[list(STEPS_OF_CAUSES)[:3]].sum()
    assert causes.verdict.to_dict() == dict.fromkeys(rank.index, "supported") | {"cross-view": "not distinguishable"}
    assert f"released DHEL is {whole:.1f} dimensions above SimCLR, and {rank['weight']:.1f} of these" in text
    found = section(README, "What was found")
    told = (
        "doubling the weight, as DHEL does, adds {:.1f} dimensions, and τ = 0.1, not 0.5, adds {:.1f}; "
        "removing the positive adds {:.1f} (τ = 0.1:"
    )
    assert told.format(rank["weight"], rank["temperature"], rank["positive"]) in found
    of_weight = [effect(WEIGHT, EQUAL, at).split()[0].split(".")[0] for at in taus]
    assert f"{of_weight[2]} to {of_weight[0]} by τ" in text
    first, *later = (effect(POSITIVE, EQUAL, at).split()[0] for at in taus)
    assert f"The positive's {rank['positive']:.1f} are the work of τ = 0.1;" in text
    assert f"its removal adds {' and '.join(later)}." in text
    assert float(first) > 5
    assert not any(excludes_0(effect(CROSS_VIEW, EQUAL, at)) for at in taus)
    steps = (*STEPS_IN_WORDS, TEMPERATURE)
    picked = [effect(name, PICKED, column=POINTS) for name in steps]
    assert f"| the same, best rates | {' | '.join(picked)} |" in text
    *lower, highest = (effect(WEIGHT, EQUAL, at, POINTS) for at in taus)
    assert f"from τ = 0.5, where it adds {highest} at equal rates." in text
    assert not any(map(excludes_0, lower))
    picked, *same = (effect(CROSS_VIEW, rate, taus[1]) for rate in (PICKED, "0.3", "1"))
    low, high = (cells.split()[0] for cells in same)
    assert f"take {picked} at τ = 0.2," in text
    assert f"with 0.3 or 1 on both sides that is {low} and {high}." in text


def test_the_choices_that_decide_the_ranks_of_the_main_comparison_are_those_of_its_grid(comparison):
    """Settings within a point of the best validation accuracy at M = 64."""
    _, runs, titles = comparison
    text, ranges = section(RESULTS, COMPARED), {}
    grid = runs[runs.role == "grid"]
    for name, here in grid[grid.batch_size == 64].groupby("method"):
        near = here[here.validation_accuracy >= here.validation_accuracy.max() - 1].z_effective_rank
        ranges[name] = (near.min(), near.max())
    told = " | ".join("{:.0f} to {:.0f}".format(*ranges[name]) for name in ORDER)
    assert f"| M = 64, settings within a point of the best on validation (4 epochs) | {told} |" in text
    assert f"| {' | '.join(titles[name] for name in ORDER)} |" in text, "the table's head"
    assert not any(apart(*pair) for pair in combinations(ranges.values(), 2)), "each could have come out above another"
    log = grid[(grid.batch_size == 64) & (grid.method == "kcl-log")].sort_values("validation_accuracy").iloc[::-1]
    picked, next_best = log.iloc[0], log[log.parameters.str.contains("gamma=16")].iloc[0]
    difference = picked.validation_accuracy - next_best.validation_accuracy
    ranks = [f"{each.z_effective_rank:.0f}" for each in (picked, next_best)]
    told = f"with a rank of {ranks[0]}, was picked over γ = 16, with {ranks[1]}, by {difference:.2f} points."
    assert f"KCL log's γ = 4, {told}" in text
    large = {}
    for name, here in grid[grid.batch_size == 256].groupby("method"):
        near = here[here.validation_accuracy >= here.validation_accuracy.max() - 1].z_effective_rank
        large[name] = (near.min(), near.max())
    told = " | ".join("{:.0f} to {:.0f}".format(*large[name]) for name in ORDER)
    assert f"| M = 256, the same | {told} |" in text
    fixed = {pair for pair in combinations(ORDER, 2) if apart(large[pair[0]], large[pair[1]])}
    assert fixed == {("simclr", "dhel"), *((name, "kcl-gaussian") for name in ("simclr", "dcl", "dhel"))}
    assert large["dhel"][0] > large["simclr"][1]
    assert large["kcl-gaussian"][1] < min(large[name][0] for name in ("simclr", "dcl", "dhel"))


def apart(one, other):
    """Whether two ranges have nothing in common."""
    return one[1] < other[0] or other[1] < one[0]


def test_the_ranks_of_features_quoted_are_those_of_the_main_comparison(comparison):
    claims, runs, _ = comparison
    text = section(RESULTS, COMPARED)
    of_h = claims[claims.id == "rank-features"].set_index(["of", "against"])
    assert set(of_h.status) == {"exploratory"}
    whole = {pair: with_interval(row.estimate, row.low, row.high, 1).replace("-", "−") for pair, row in of_h.iterrows()}
    kernels = [whole[name, "dcl"] for name in ("kcl-gaussian", "kcl-log")]
    assert f"DHEL less SimCLR is {whole['dhel', 'simclr']}: *supported*;" in text
    assert f"KCL Gaussian and KCL log less DCL are {' and '.join(kernels)}: *contradicted*," in text
    lost = of_h[(of_h.blocked_p_holm > 0.05) & of_h.verdict.isin(["supported", "contradicted"])].blocked_p_holm
    assert lost.to_dict().keys() == {("kcl-gaussian", "dcl")}
    assert f"the former not with whole seeds as the unit (p = {lost.item():.3f});" in text
    assert of_h.verdict.to_dict() == {
        ("dhel", "simclr"): "supported", ("dhel", "dcl"): "mixed", ("kcl-gaussian", "simclr"): "not distinguishable",
        ("kcl-gaussian", "dcl"): "contradicted", ("kcl-log", "simclr"): "mixed", ("kcl-log", "dcl"): "contradicted",
    }  # fmt: skip
    assert of_h.equivalent["kcl-gaussian", "simclr"]
    final = runs[runs.section == "final"]
    assert (final.z_effective_rank_centred - final.z_effective_rank).abs().max() < 0.05
    centred = final.pivot(index=["batch_size", "seed"], columns="method", values="h_effective_rank_centred")

    def about_the_mean(of, against):
        for _, seeds in (centred[of] - centred[against]).groupby("batch_size"):
            found = Estimate(seeds.mean(), seeds.std() / len(seeds) ** 0.5, len(seeds) - 1)
            yield with_interval(found.value, *found.interval(0.95), 1).replace("-", "−")

    small, large = about_the_mean("dhel", "simclr")
    assert f"DHEL less SimCLR is {small} at M = 64 and {large} at 256, DHEL less DCL" in text
    assert f"DHEL less DCL {' and '.join(about_the_mean('dhel', 'dcl'))}, and KCL" in text
    assert f"and KCL Gaussian less SimCLR {' and '.join(about_the_mean('kcl-gaussian', 'simclr'))}." in text


def test_what_nearest_neighbours_say_of_the_main_comparison_is_that_of_its_runs(comparison):
    _, runs, _ = comparison
    text = section(RESULTS, COMPARED)
    final, grid = runs[runs.section == "final"], runs[runs.role == "grid"]
    found = {}
    for name in ("knn_accuracy", "test_accuracy"):
        wide = final.pivot(index=["batch_size", "seed"], columns="method", values=name)
        for of, against in [(of, against) for of in ORDER[2:] for against in ORDER[:2]]:
            found[name, of, against] = (wide[of] - wide[against]).unstack("batch_size")
    mean = {pair: -difference.mean().mean() for pair, difference in found.items()}
    by = {name: [mean["knn_accuracy", name, against] for against in ("simclr", "dcl")] for name in ORDER[3:]}
    told = (
        f"KCL Gaussian is {by['kcl-gaussian'][0]:.1f} below SimCLR and {by['kcl-gaussian'][1]:.1f} below DCL, KCL log"
    )
    assert f"{told} {by['kcl-log'][0]:.1f} and {by['kcl-log'][1]:.1f}." in text
    for of in ORDER[3:]:
        for against in ("simclr", "dcl"):
            assert mean["knn_accuracy", of, against] > mean["test_accuracy", of, against], "larger deficits"
    for against in ("simclr", "dcl"):
        assert ttest_1samp(found["knn_accuracy", "dhel", against][64], 0).pvalue > 0.05
    changes = {
        (pair[1:], size): found["knn_accuracy", *pair[1:]][size].mean() - difference[size].mean()
        for pair, difference in found.items()
        for size in (64, 256)
        if pair[0] == "test_accuracy"
    }
    assert f"differences of losses change by up to {max(map(abs, changes.values())):.1f} points," in " ".join(
        CLAIMS.split()
    )
    linear, nearest = (found[name, "kcl-log", "dcl"][64].mean() for name in ("test_accuracy", "knn_accuracy"))
    told = f"KCL log less DCL at M = 64 is {linear:.1f} by the one and {nearest:.1f} by the other.".replace("-", "−")
    assert told in " ".join(CLAIMS.split())
    for against in ("simclr", "dcl"):
        linear, nearest = (found[name, "dhel", against][64].mean() for name in ("test_accuracy", "knn_accuracy"))
        assert 0.35 < nearest / linear < 0.65, "half that by k-NN"
    assert "SimCLR and DCL at batch size M = 64 (half that by nearest neighbours," in section(README, "What was found")
    of_grid = grid.groupby(["method", "batch_size"]).knn_accuracy.mean().groupby("method").mean()
    assert {f"{of_grid['dhel'] - of_grid[against]:.1f}" for against in ("simclr", "dcl")} == {"1.7"}
    assert "by nearest neighbours, not tested, 1.7 over both." in text


def test_the_accuracies_quoted_of_others_are_those_of_their_table():
    others = pd.read_csv(ROOT / "paper_figures/published.csv", dtype=str)
    at_scale = others[
        (others["data set"] == "CIFAR-10") & (others.M == "256") & others.comparable.str.startswith("partly")
    ]
    found = at_scale.set_index("loss")["published (%)"]
    told = (
        "about {} % for SimCLR, {} for DCL and {} for DHEL mean (Lee et al., ICML 2025); by the authors' later code {}"
    )
    lee = [found[name].removeprefix("about ") for name in ("SimCLR", "DCL", "DHEL mean")]
    words = told.format(*lee, found["DHEL sum"]) + f" for DHEL sum and {found['best baseline']} for the best baseline."
    assert words in " ".join(RESULTS.split())


def test_the_spread_over_the_grid_of_the_main_comparison_is_that_of_its_runs(comparison):
    _, runs, titles = comparison
    text = section(RESULTS, COMPARED)
    grid = runs[runs.role == "grid"]
    spread = grid.groupby(["batch_size", "method"]).test_accuracy.std()
    assert set(grid[grid.method.isin(ORDER)].groupby(["batch_size", "method"]).size()) == {16}
    assert f"| SD over the grid, points | {' | '.join(titles[name] for name in ORDER)} |" in text
    for size in (64, 256):
        assert f"| M = {size} | {' | '.join(f'{spread[size, name]:.2f}' for name in ORDER)} |" in text
        assert spread[size][["dhel", "kcl-log"]].max() < spread[size][["simclr", "dcl"]].min()
    baselines = spread.unstack()[["simclr", "dcl"]]
    assert spread[64, "kcl-gaussian"] < baselines.loc[64].min()
    assert baselines.loc[256].min() < spread[256, "kcl-gaussian"] < baselines.loc[256].max()
    assert "KCL Gaussian's is lower at M = 64 and lies between theirs at 256." in text


def test_the_spread_at_best_rates_of_the_main_comparison_is_that_of_its_runs(comparison):
    text, runs = section(RESULTS, COMPARED), comparison[1]
    grid = runs[(runs.role == "grid") & runs.method.isin(ORDER)]
    setting = grid.parameters.str.replace(r" ?learning_rate=\S+", "", regex=True)
    best = grid.loc[grid.groupby(["batch_size", "method", setting]).validation_accuracy.idxmax()]
    settings = best.groupby(["batch_size", "method"]).test_accuracy
    assert set(settings.size()) == {4}
    spread = settings.std()
    for size, words in ((64, "four settings at their best rates"), (256, "the same")):
        assert f"| M = {size}, {words} | {' | '.join(f'{spread[size, name]:.2f}' for name in ORDER)} |" in text
    assert spread[64].idxmin() == "dhel"
    assert spread[64, "dhel"] < 0.5 * spread[64].drop("dhel").min(), "lowest by far"
    assert spread[64].idxmax() == "kcl-gaussian" == spread[256].idxmin()
    assert round(spread[256, "dcl"], 2) <= round(spread[256, "dhel"], 2)


def test_the_signs_that_change_with_the_length_are_those_of_the_ledger(comparison):
    claims = comparison[0].query("id in ['accuracy', 'small-batches', 'rank']")
    assert ((claims.short_low < 0) & (claims.short_high > 0))[claims.short_estimate * claims.estimate < 0].all()
    changed, titles = claims[claims.short_estimate * claims.estimate < 0], comparison[2]
    text = section(RESULTS, COMPARED)
    assert len(claims) == 18
    assert f"{len(changed)} have another sign".replace("6", "six") in text
    for row in changed.itertuples():
        told = with_interval(row.estimate, row.low, row.high, 2).replace("-", "−")
        pair = f"{titles[row.of]} less {titles[row.against]}"
        assert f"| {row.claim}, {pair} | {signed(row.short_estimate, 2).replace('-', '−')} | {told} |" in text
    runs = comparison[1]
    short = runs[runs.selected & (runs.section == "losses") & (runs.batch_size == 64)]
    means = short.groupby("method").test_accuracy.mean()
    assert set(short.groupby("method").seed.nunique()) == {3}
    told = "at 4 DHEL, SimCLR and DCL have {:.1f}, {:.1f} and {:.1f} % (three seeds, of which one selected)."
    assert told.format(*means[["dhel", "simclr", "dcl"]]) in text


def test_the_penalties_told_of_the_main_comparison_are_those_of_its_probes(comparison):
    runs = comparison[1]
    lowest = min(Suite.load(ROOT, MAIN).settings("cifar10").probe.weight_decay)
    judged, random = runs[runs.role == "final"], runs[runs.method == "random"]
    told = f"{lowest:.0e}, is chosen by {(judged.probe_weight_decay == lowest).sum()} of the {len(judged)} judged runs"
    assert told.replace("e-07", "e-7") in section(RESULTS, COMPARED)
    assert (random.probe_weight_decay == lowest).sum() == len(random) == 3, "and by the random encoder's three"


def test_the_twins_of_dcls_short_runs_are_those_of_the_benchmarks(comparison):
    text = section(RESULTS, COMPARED)
    twins = re.findall(
        r"^\| DCL, M = 256, 4 epochs, seed \d \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$",
        (ROOT / "benchmarks/README.md").read_text(),
        re.MULTILINE,
    )
    before, after, rank_before, rank_after = np.array(twins, float).T
    points, dimensions = after - before, rank_after - rank_before
    signs = "by {:+.1f}, {:+.1f} and {:+.1f} points, {:+.1f}, {:+.1f} and {:+.1f} dimensions."
    assert signs.format(*points, *dimensions).replace("-", "−") in text
    short = comparison[1].query("section == 'losses' and method == 'dcl' and batch_size == 256 and selected")
    assert short.test_accuracy.mean() == pytest.approx(before.mean(), abs=0.01)
    assert f"have {after.mean():.1f} %, level with KCL Gaussian, and a rank of {rank_after.mean():.1f}." in text


def test_the_differences_that_the_removals_could_see_are_those_told():
    """Of a cause both tests must be significant, so each has 90 % power."""
    causes = verdicts_of_causes(CIFAR10_RANK)

    def seen(row, low, high):
        error = (row[high] - row[low]) / 2 / stdtrit(row.df, 0.975)
        return smallest_effect(Estimate(0.0, error, row.df), int(row.tests), 0.05, power=0.9)

    both = [causes.loc[name] for name in ("positive", "cross-view")]
    equal = [seen(row, "low", "high") for row in both]
    picked = [seen(row, "retuned_low", "retuned_high") for row in both]
    told = "no less than {:.1f} and {:.1f} dimensions at equal rates, {:.1f} and {:.1f} at best ones"
    assert told.format(*equal, *picked) in section(RESULTS, CIFAR10_RANK)


def numbers(told):
    """An effect and the ends of its interval."""
    return [float(number) for number in re.findall(r"-?[\d.]+", told.replace("−", "-"))]


def excludes_0(told):
    _, low, high = numbers(told)
    return low > 0 or high < 0


def test_the_settings_told_of_causes_on_cifar10_are_those_of_their_runs(cifar10_causes, chain):
    text, runs, points = section(RESULTS, CIFAR10_RANK), cifar10_causes.causes.runs, means(chain)
    long = means(runs[runs.length == 12]).test_accuracy
    told = "{:.1f} to {:.1f} % (at 12, τ = 0.1: {:.1f} to {:.1f} %)."
    assert told.format(*points.test_accuracy.agg(["min", "max"]), *long.agg(["min", "max"])) in text
    columns = ["z_effective_rank", "z_alignment", "test_accuracy"]
    of_both = points.groupby(["weight", "temperature", "loss"])[columns].mean()
    (rank, apart, accuracy), others = of_both.loc[2, 0.5, "dhel-mean"], of_both.loc[1, 0.2].agg(["min", "max"])
    assert f"a rank of {rank:.1f}, a squared distance between views of {apart:.2f} and {accuracy:.1f} %" in text
    assert others.z_alignment.round(2).nunique() == 1
    ranks, accuracies = ("{:.1f} to {:.1f}".format(*others[name]) for name in ("z_effective_rank", "test_accuracy"))
    assert f"at 0.2 have {ranks}, {others.z_alignment['min']:.2f} and {accuracies} %." in text
    told = "But at 0.2 it has {:.1f} and {:.2f}, DHEL mean at 0.1 {:.1f} and {:.2f}."
    doubled, once = (of_both.loc[at, columns[:2]] for at in ((2, 0.2, "dhel-mean"), (1, 0.1, "dhel-mean")))
    assert told.format(*doubled, *once) in text
    assert f"DHEL sum's {of_both.loc[2, 0.1, 'dhel-mean'].z_effective_rank:.1f} at τ = 0.1" in text
    by_rate = points.set_index(["loss", "weight", "temperature", "rate"]).z_effective_rank.unstack("rate")
    risen = (by_rate[0.3] - by_rate[1]).groupby("weight").agg(["min", "max"])
    once, twice = ("{:.1f} to {:.1f}".format(*risen.loc[weight]) for weight in (1, 2))
    assert f"from 1 down to 0.3 by {once} dimensions at weight 1 ({twice} at weight 2)" in text


def test_the_effects_after_12_epochs_quoted_are_those_of_their_table(cifar10_causes):
    effect, text, runs = effects_of_causes("cifar10_causes"), section(RESULTS, CIFAR10_RANK), cifar10_causes.causes.runs
    short, long = (f"τ = 0.1, length = {epochs}" for epochs in (4, 12))
    for name, step in (STEPS_IN_WORDS | {BOTH: "both removed: DHEL mean less SimCLR"}).items():
        cells = [effect(name, EQUAL, short).split()[0], effect(name, EQUAL, long), effect(name, PICKED, long)]
        cells += [effect(name, rate, long, POINTS) for rate in (EQUAL, PICKED)] + [effect(name, PICKED, long, NEAREST)]
        assert f"| {step} | {' | '.join(cells)} |" in text
        for column in ("effective rank of z", POINTS):
            assert effect(name, PICKED, long, column) == effect(name, "0.3", long, column), (
                "the best rate of all is 0.3"
            )
    before, after = (effect(POSITIVE, EQUAL, length).split()[0].lstrip("+") for length in (short, long))
    assert f"(τ = 0.1: {before}, at 12 epochs {after})," in section(README, "What was found")
    points = means(runs[runs.length == 12]).set_index(["rate", "loss", "weight"])
    of = points.test_accuracy[0.3].round(1)
    here = (
        runs[(runs.temperature == 0.1) & (runs.weight == 1)].groupby(["loss", "length", "seed"]).z_effective_rank.mean()
    )
    more = here["dcl", 12] - here["simclr", 12] - (here["dcl", 4] - here["simclr", 4])
    grown = with_interval(more.mean(), *ttest_1samp(more, 0).confidence_interval(0.95), 1).replace("-", "−")
    assert f"counts for more in rank:* by {grown} than after 4 epochs, at equal rates." in text
    same = [effect(POSITIVE, EQUAL, length, POINTS).split()[0] for length in (short, long)]
    slow = [effect(POSITIVE, "0.3", length, POINTS) for length in (short, long)]
    assert f"not seen to: {' and '.join(same)} at equal rates; at rate 0.3 {' and '.join(slow)}, where DCL" in text
    assert f"mean reach {of['dcl', 1]} and {of['dhel-mean', 1]} %, SimCLR {of['simclr', 1]}." in text
    tuned = pd.read_csv(ROOT / f"results/{MAIN}/runs.csv").query("section == 'final' and batch_size == 64")
    tuned = tuned[tuned.method.isin(["simclr", "dcl"])].groupby("method")
    rates = {"simclr": "temperature=0.2 learning_rate=0.1", "dcl": "temperature=0.2 learning_rate=0.3"}
    assert tuned.parameters.first().to_dict() == rates
    (accuracy,) = {f"{mean:.1f}" for mean in tuned.test_accuracy.mean()}
    assert f"SimCLR and DCL both reach {accuracy} % in the main comparison" in text
    here = (
        runs[(runs.length == 12) & (runs.rate == 0.3) & (runs.weight == 1)]
        .groupby(["loss", "seed"])
        .z_effective_rank.mean()
    )
    low = here["dhel-mean"] - here["dcl"]
    slow = with_interval(low.mean(), *ttest_1samp(low, 0).confidence_interval(0.95), 2).replace("-", "−")
    assert f"depend on the rate:* {slow} at 0.3, hardly told from 0, and {effect(CROSS_VIEW, '1', long)} at 1." in text
    ranks = sorted(points.z_effective_rank[:, "dhel-mean", 2])
    assert "(DHEL sum's rank is {:.1f} and {:.1f} of 64)".format(*ranks) in text
    assert f"(by nearest neighbours {effect(WEIGHT, EQUAL, long, NEAREST)} at equal rates), where at 4 epochs" in text
    assert f"it was {effect(WEIGHT, EQUAL, short, POINTS)}." in text
    made = pd.read_csv(ROOT / "results/cifar10_causes/runs.csv").epochs.value_counts()
    assert f"{made.sum()} trainings of the small network at M = 64" in text
    assert f"{made[4]} have 4 epochs" in text


def test_the_accuracy_told_of_causes_at_their_best_settings_is_that_of_their_runs(chain):
    """What a seed has at the temperature and rate that the others pick."""
    runs, at = chain, ["temperature", "rate"]
    picked = {}
    for (*side, seed), here in runs.groupby(["loss", "weight", "seed"]):
        others = runs[(runs.loss == side[0]) & (runs.weight == side[1]) & (runs.seed != seed)]
        best = others.groupby(at).validation_accuracy.mean().idxmax()
        picked.setdefault(tuple(side), []).append(here.set_index(at).test_accuracy[best])
    reached = [np.mean(accuracies) for accuracies in picked.values()]
    told = f"the four reach {min(reached):.1f} to {max(reached):.1f} %, and no two can be told apart;"
    assert told in section(RESULTS, CIFAR10_RANK)
    assert len(picked) == 4
    assert min(ttest_rel(one, other).pvalue for one, other in combinations(picked.values(), 2)) > 0.05


def test_the_noise_told_beside_that_of_untuned_accuracy_is_that_of_the_causes(chain):
    """Which the statement takes from the selected settings."""
    main = read_suite(MAIN, "cifar10")
    borrowed = {loss: main.noise(loss, "test_accuracy").variance for loss in ("simclr", "dcl", "dhel")}
    by_loss = chain.groupby([chain[name] for name in (*FACTORS, "rate")], dropna=False).test_accuracy.var()
    of_points = by_loss.groupby(["loss", "weight"]).agg(["mean", "size"])
    assert set(of_points["size"]) == {6}
    measured = of_points["mean"][[("simclr", 1), ("dcl", 1), ("dhel-mean", 2)]].to_numpy()
    simclr, dcl = (
        math.sqrt((measured[at] + measured[2]) / (borrowed[loss] + borrowed["dhel"]))
        for at, loss in enumerate(("simclr", "dcl"))
    )
    assert f"error would be {simclr:.2f} and {dcl:.2f} times as large" in section(RESULTS, COMPARED)
    tested = pd.read_csv(ROOT / f"results/{MAIN}/claims.csv").query("status == 'confirmatory' and claim != 'C6 causes'")
    p = tested.p.copy()
    untuned = tested.query("id == 'untuned-rate' and of == 'dhel'").itertuples()
    for row, larger in zip(untuned, (simclr, dcl), strict=True):
        assert row.estimate - larger * (row.estimate - row.low) > 0
        t = row.estimate / (larger * (row.high - row.low) / 2 / stdtrit(row.df, 0.975))
        p[row.Index] = 2 * stdtr(row.df, -t)
    corrected = dict(zip(p.index, holm(p.tolist()), strict=True))
    assert f"(p = {corrected[row.Index]:.3f} with Holm's correction)" in section(RESULTS, COMPARED)


def test_the_accuracy_quoted_of_seeds_with_every_temperature_is_that_of_the_causes(causes):
    """Three seeds have some of them alone."""
    (positive,) = [statement for statement in ledger.read().of_causes if statement.id == "positive"]
    settings = positive.statistic.settings(causes.causes.planned)
    whole = at_equal_rates(causes.causes, settings, "test_accuracy").dropna()
    assert len(whole) == 7
    found = mean_effect(whole)
    quoted = with_interval(found.value, *found.interval(0.95), 2).replace("-", "−")
    assert f"over the seven seeds that have every τ the positive's +0.16 is {quoted}." in section(RESULTS, DIGITS_RANK)


def test_the_ranks_quoted_beside_the_causes_are_those_of_their_runs(points):
    text = section(RESULTS, DIGITS_RANK)
    usual = points[(points.length == 1000) & points.weight.notna()]
    by_rate = usual.set_index(["loss", "weight", "temperature", "rate"])[["z_effective_rank", "validation_accuracy"]]
    rank, accuracy = (by_rate[name].unstack("rate") for name in by_rate)
    fallen = (rank[0.03] - rank[0.3]).groupby("weight").agg(["min", "max"])
    once, twice = ("{:.1f} to {:.1f}".format(*fallen.loc[weight]) for weight in (1, 2))
    assert f"from 0.3 down to 0.03 by {once} dimensions at weight 1 ({twice} at weight 2)" in text
    apart = (accuracy.max(axis=1) - accuracy.min(axis=1)).max()
    assert f"differ by at most {apart:.1f} points between the rates of a setting" in text
    reached = points.test_accuracy
    assert f"Settings reach {reached.min():.1f} to {reached.max():.1f} %" in text
    by_loss = rank.mean(axis=1).unstack("temperature")
    once, (twice,) = by_loss.xs(1, level="weight"), by_loss.xs(2, level="weight").to_numpy()
    assert once.idxmax(axis=1).to_dict() == {"simclr": 0.15, "dcl": 0.1, "dhel-mean": 0.1}
    lower = (once.max(axis=1) - once[0.05])[["simclr", "dcl", "dhel-mean"]]
    assert "lower at 0.05 by {:.1f}, {:.1f} and {:.1f} dimensions".format(*lower) in text
    assert (np.diff(twice) < 0).all()


def test_the_effects_by_length_quoted_are_those_of_the_seeds_that_have_all(causes):
    text, runs = section(RESULTS, DIGITS_RANK), causes.causes.runs
    shared = set.intersection(*(set(here.seed) for _, here in runs.groupby("length")))
    assert len(shared) == 7
    alike = runs[runs.seed.isin(shared) & (runs.temperature == 0.1) & (runs.rate == 0.1)]
    here = means(alike)
    rank = here.pivot(index=["loss", "weight"], columns="length", values="z_effective_rank")
    simclr, dcl, once, twice = (rank.loc[at] for at in (("simclr", 1), ("dcl", 1), ("dhel-mean", 1), ("dhel-mean", 2)))
    assert "| SimCLR | {:.1f} | {:.1f} | {:.1f} | {:.1f} |".format(*simclr) in text
    accuracy = here.pivot(index=["loss", "weight"], columns="length", values="test_accuracy")
    told = "accuracy goes from {} to {} % (SimCLR), {} to {} (DCL), {} to {} (DHEL mean) and {} to {} (DHEL sum)."
    order = [("simclr", 1), ("dcl", 1), ("dhel-mean", 1), ("dhel-mean", 2)]
    alignment = here.pivot(index=["loss", "weight"], columns="length", values="z_alignment")
    for at, title in zip(order, ("SimCLR", "DCL", "DHEL mean", "DHEL sum"), strict=True):
        cells = [
            f"{points:.1f}; {apart:.2f}" for points, apart in zip(accuracy.loc[at], alignment.loc[at], strict=True)
        ]
        assert f"| {title} | {' | '.join(cells)} |" in text
    ends = [f"{accuracy.loc[at][length]:.1f}" for at in order for length in (1000, 2000)]
    assert told.format(*ends) in text
    for words, grown in zip(STEPS_OF_CAUSES.values(), (dcl - simclr, once - dcl, twice - once), strict=False):
        cells = [signed(each, 1).replace("-", "−") for each in grown]
        assert f"| {words} | {' | '.join(cells)} |" in text
    of_seed = alike.pivot(index="seed", columns=["loss", "weight", "length"], values="z_effective_rank").sort_index(
        axis=1
    )
    of_dcl, of_simclr, of_once, of_twice = (
        of_seed[at][2000] - of_seed[at][250] for at in (("dcl", 1), ("simclr", 1), ("dhel-mean", 1), ("dhel-mean", 2))
    )
    grown = ttest_rel(of_dcl, of_simclr).confidence_interval(0.95)
    mean = (of_dcl - of_simclr).mean()
    told = (
        f"the positive's effect on the rank grows by {mean:.1f} ({grown.low:.1f} to {grown.high:.1f}) and the other two"
    )
    assert told in text
    for less in (of_once - of_dcl, of_twice - of_once):
        assert round(less.mean()) == -1


def test_what_a_fourfold_gamma_is_said_to_add_is_so_of_the_grid(comparison):
    """In docs/claims.md; of one seed."""
    grid = comparison[1].query("role == 'grid' and method.str.startswith('kcl')")
    gamma, scale = (grid.parameters.str.extract(rf"(?:^| ){key}=([\d.]+)")[0].astype(float) for key in ("gamma", "t"))
    by = [grid.batch_size, grid.method, scale.rename("t"), grid.learning_rate, gamma.rename("gamma")]
    rank = grid.set_index(by).z_effective_rank.unstack("gamma")
    added, kernels = rank[16] - rank[4], rank.unstack("method").stack("gamma")
    apart = (kernels["kcl-log"] - kernels["kcl-gaussian"]).abs()
    slow = [each[each.index.get_level_values("learning_rate") <= 1] for each in (added[256], apart[256])]
    fast = added[256].xs(3, level="learning_rate")
    text = " ".join(CLAIMS.split())
    assert (
        f"at M = 64 a fourfold γ adds {added[64].min():.0f} to {added[64].max():.0f} dimensions by t and rate" in text
    )
    assert f"where the kernels differ by {apart[64].max():.0f} at most (one seed, not tested);" in text
    told = f"at M = 256 it adds {slow[0].min():.0f} to {slow[0].max():.0f} at rates up to 1, where they differ by"
    assert f"{told} {slow[1].max():.0f} at most, and −{-fast.min():.0f} to +{fast.max():.0f} at 3." in text


def test_what_the_sceptic_is_told_is_so(points):
    """In docs/claims.md, without numbers."""
    kernels = points[points.gamma.notna()].pivot(index=["rate", "gamma"], columns="loss", values="z_effective_rank")
    assert kernels.groupby("rate").diff().min(axis=None) > kernels.diff(axis=1).abs().max(axis=None)
    usual = points[(points.length == 1000) & points.weight.notna()].groupby("temperature")
    ends = usual[["z_effective_rank", "test_accuracy"]].mean().loc[[0.05, 0.5]]
    assert (ends.diff().iloc[1] * [1, -1] < 0).all()
    runs = pd.read_csv(ROOT / "results/digits_causes/runs.csv")
    assert set(runs.section) == {"causes"}, "no floors"
    assert (runs.probe_scaling.nunique(), runs.probe_weight_decay.nunique()) == (1, 1)


def test_digits_losses_are_no_better_than_raw_pixels_by_more_than_is_said():
    accuracies = pd.read_csv(ROOT / "paper_figures/digits/linear_evaluation.csv").set_index("loss").iloc[:, 1:]
    means = accuracies.apply(lambda column: column.str.split().str[0].astype(float))
    losses = means[~means.index.str.contains(":")]
    assert len(losses) == 5
    assert ((losses - means.loc["floor: raw pixels"]) <= 2).all(axis=None)
    assert "none is more than 2 points better than raw pixels" in RESULTS
    below = (losses["M = 16"] < means.loc["floor: raw pixels", "M = 16"]).sum()
    assert below > len(losses) / 2, "on each processor that was tried; all on some"
    assert "at M = 16 most are below them" in RESULTS


@pytest.mark.parametrize("suite", COMMITTED)
def test_the_committed_verdicts_follow_from_the_committed_tables(suite):
    folder = ROOT / f"results/{suite}"
    judged = judge(Results(folder, Suite.load(ROOT, suite)), ledger.read(), Present.read(ROOT))
    committed = pd.read_csv(folder / "claims.csv", keep_default_na=False)
    assert committed.verdict.tolist() == judged.verdict.tolist()
    assert committed.note.tolist() == judged.note.tolist()


@pytest.mark.parametrize("suite", COMMITTED)
def test_results_of_earlier_code_are_said_to_be(suite):
    """`make check` demands this code of the default suite alone: others take hours, and a word in config/README.md."""
    recorded = read_json(ROOT / f"results/{suite}/provenance.json")
    tree = of_suite(Suite.load(ROOT, suite))
    changed = [name for origin in tree for name in differences(recorded.get(origin, {}), tree[origin])]
    assert bool(changed) == ("earlier code" in STATES[suite]), changed


def test_the_short_trial_quoted_is_that_of_its_table():
    runs = pd.read_csv(ROOT / "results/cifar10_short/runs.csv").set_index("method")
    page = (ROOT / "docs/scale.md").read_text()
    for name, method in {"DHEL, 300 updates": "dhel", "random encoder": "random", "raw pixels": "pixels"}.items():
        run = runs.loc[method]
        cells = [run.unit_test_accuracy, run.standardised_test_accuracy, run.knn_accuracy]
        augmented = "" if method == "pixels" else f" {run.test_accuracy:.1f}"
        assert f"| {name} | {' | '.join(f'{cell:.1f}' for cell in cells)} |{augmented} |" in page
    epochs = pd.read_csv(ROOT / "results/cifar10_short/epochs.csv").sort_values("epoch")
    assert f"The loss fell from {epochs.loss.iloc[0]:.2f}" in page
    assert f"to {epochs.loss.iloc[1]:.2f} over" in page
    assert f"{epochs.gap.iloc[0]:.2f}, {epochs.gap.iloc[1]:.2f})" in page


WAYS = "this project", "a plain loop", "the network alone"
"""Rows of benchmarks/gpu.json, as the page names them."""


def test_the_trainings_quoted_of_the_papers_recipe_are_those_of_their_tables():
    folder = ROOT / "results/cifar10_200_epochs"
    runs = pd.read_csv(folder / "runs.csv").set_index("method")
    others = pd.read_csv(ROOT / "paper_figures/published.csv", dtype=str)
    others = others[others.comparable.str.startswith("partly") & (others["data set"] == "CIFAR-10")]
    others = others[others.M == "256"].set_index("loss")["published (%)"]
    baseline, authors = others["best baseline"], others["DHEL sum"]
    text, simclr, dhel = section(RESULTS, "CIFAR-10: the paper's recipe"), runs.loc["simclr"], runs.loc["dhel"]
    for name, run, theirs in (("SimCLR", simclr, f"{baseline}, best baseline"), ("DHEL sum", dhel, authors)):
        cells = (
            f"| {name} | {run.test_accuracy:.1f} | {theirs} | {run.cached_test_accuracy:.1f} | {run.knn_accuracy:.1f} |"
        )
        assert f"{cells} {run.z_effective_rank:.1f} | {run.h_effective_rank:.1f} |" in text
    below = float(authors) - dhel.test_accuracy, float(baseline) - simclr.test_accuracy
    assert "DHEL is {:.1f} points below the authors' later code, SimCLR {:.1f} below".format(*below) in text
    lee = float(others["SimCLR"].removeprefix("about ")) - simclr.cached_test_accuracy
    assert f"by cached features SimCLR is {lee:.1f} below Lee et al." in text
    lead = dhel.test_accuracy - simclr.test_accuracy
    right = pd.read_csv(folder / "predictions.csv").set_index("method")
    alone = np.subtract(*[unpack(right.correct[name], 10_000).astype(int) for name in ("dhel", "simclr")])
    assert 100 * alone.mean() == pytest.approx(lead)
    half = 1.96 * 100 * alone.std(ddof=1) / math.sqrt(10_000)
    assert half < lead
    assert f"{lead:.2f} points are more than the choice of test images explains (± {half:.2f})" in text
    assert (
        f"DHEL {dhel.test_accuracy:.1f} % (authors' later code: {authors}), SimCLR {simclr.test_accuracy:.1f} % (best "
        f"baseline there: {baseline})."
    ) in section(README, "What was found")
    z = pd.read_csv(folder / "spectra.csv").query("space == 'z'").set_index("method")["mean"]
    wide = [(z[method] > z[method].max() / 10).sum() for method in ("simclr", "dhel")]
    assert "{} of SimCLR's 128 are above a tenth of the largest, {} of DHEL's".format(*wide) in text
    assert read_json(folder / "provenance.json")["runs"]["made"]["device"] == {"NVIDIA H200": 2}
    assert set((pd.read_csv(folder / "costs.csv").seconds_a_run / 60).round()) == {13}
    assert "not measured; item 5: 13 minutes (H200)" in README
    assert "took 13 minutes on an NVIDIA H200" in text


def test_what_is_quoted_of_a_gpu_is_that_of_its_benchmark():
    found = read_json(ROOT / "benchmarks/gpu.json")
    results = {check["check"]: check["result"] for check in found["checks"]}
    assert {name for name, result in results.items() if result != "passed"} == {"processes"}
    rows = {(row["case"], row["way"]): row for row in found["rows"]}
    photographs, ours = rows["imagenet100", "this project"], rows["cifar10", "this project"]
    page = " ".join((ROOT / "benchmarks/README.md").read_text().split())
    steps = [f"{rows[case, way]['steps']:,}" for case in ("cifar10", "imagenet100") for way in WAYS]
    told = "In 20 seconds `cifar10` makes {} steps, the plain loop with eight workers {}, the network alone {}; "
    assert (told + "`imagenet100` {}, {} and {}.").format(*steps) in page
    slow = rows["cifar10", "a plain loop"]
    assert f"{1000 * slow['step_s']:.0f} ms or less, all of them {1000 * 20 / slow['steps']:.0f} on average" in page
    assert f"take {photographs['step_s']:.2f} and {20 / photographs['steps']:.2f} s" in page
    together = pd.read_csv(ROOT / "results/cifar10_200_epochs/costs.csv").views_per_second.sum()
    alone = 512 * ours["steps"] / 20
    assert f"together made {round(together, -2):,.0f} views a second, one alone {round(alone, -2):,.0f}" in page
    peaks = [run["peak_bytes"] / 1e9 for run in (ours, photographs)]
    scale = " ".join((ROOT / "docs/scale.md").read_text().split())
    assert "a step of the first row allocated {:.1f} GB at most and one of the last {:.0f} GB".format(*peaks) in scale


def test_the_variance_of_negatives_quoted_is_that_of_the_results():
    """Table and sentences."""
    folder = ROOT / "paper_figures/cifar10_variance"
    lines = (folder / "negative_variance.md").read_text().splitlines()
    assert "\n".join(line for line in lines if line.startswith("|")) in RESULTS
    text = section(RESULTS, COMPARED)
    runs = pd.read_csv(ROOT / "results/cifar10_variance/runs.csv").groupby("batch_size")
    variance, accuracy = runs.z_negative_variance.mean(), runs.test_accuracy.mean()
    assert variance.idxmin() == 128
    assert variance.idxmax() == 512
    assert "ours falls from M = 32, is lowest near M = 64 and 128, and rises to M = 512" in text
    assert f"accuracies fall from {accuracy.iloc[0]:.1f} to {accuracy.iloc[-1]:.1f} %" in text
    updates = pd.read_csv(ROOT / "results/cifar10_variance/epochs.csv").groupby("batch_size").step.max()
    assert f"M = 512 gets {updates[512]} updates, M = 32 {updates[32]:,}" in text


def test_the_number_of_runs_quoted_is_that_of_the_suites():
    quoted = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| [^|]+ \|$", SUITES, re.MULTILINE))
    assert quoted == {name: str(len(Suite.load(ROOT, name).runs)) for name in suite_names(ROOT)}


def test_suites_with_committed_results_are_said_to_have_them():
    found = [name for name in suite_names(ROOT) if is_in_git(f"results/{name}/provenance.json")]
    assert sorted(COMMITTED) == sorted(found)


def test_what_is_needed_and_cited_is_that_of_the_files():
    oldest = re.search(r"is older than ([\d.]+);", (ROOT / "Makefile").read_text())[1]
    assert f"In a clone; needs Python ≥ {oldest}" in README
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"][0]
    assert f"*{paper['title'].split(':')[0]}* ([Koromilas et al., ICML {paper['year']}](" in " ".join(README.split())
    authors = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    volume = paper["volume-title"].removeprefix("PMLR ")
    entry = section((ROOT / "docs/faq.md").read_text(encoding="utf-8"), "Citing").replace("{InfoNCE}", "InfoNCE")
    fields = {"title": paper["title"], "author": authors, "booktitle": paper["collection-title"], "volume": volume}
    fields |= {"pages": f"{paper['start']}--{paper['end']}", "year": str(paper["year"])}
    for field, value in fields.items():
        assert f" {field} = {{{value}}}," in entry
    assert f"arxiv.org/abs/{paper['identifiers'][0]['value'].removeprefix('arXiv:')}" in README


def size(count):
    return f"{count / 1e9:.1f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def test_the_disk_quoted_is_that_of_the_plans():
    named = {"smoke": "smoke run", "digits": "digits, theory", MAIN: "CIFAR-10, small network"}
    named |= {"digits_causes": "digits, causes"}
    named |= {"cifar10": "CIFAR-10, the paper's recipe", "paper": "all its data sets"}
    quoted = {cells[0]: cells[3] for cells in rows(README, "Reproduce")}
    for suite, what in named.items():
        needed = sum(space.needed for space in cost.disk(Suite.load(ROOT, suite)))
        assert quoted[what] == (f"{needed / 1e6:.0f} MB" if needed < 1e9 else size(needed))
    four = {cells[0]: cells[1] for cells in rows(README, "Reproduce")}["all its data sets"]
    assert [part.name for part in Suite.load(ROOT, "paper").parts] == snakemake_targets(four.strip("`").split()[1:])


def test_the_installation_takes_the_space_quoted():
    """PyTorch with CUDA's libraries is what is quoted; without them it is less than half."""
    (quoted,) = [int(cells[3].split()[0]) for cells in rows(README, "Reproduce") if cells[0] == "installation"]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    installed = [
        found for found in distributions() if re.match("nvidia|cuda|triton", found.name) or found.name in pinned
    ]
    taken = sum(file.size or 0 for found in installed for file in found.files or []) / 1e9
    assert quoted == pytest.approx(taken, abs=1) if torch.version.cuda else taken < quoted / 2


def test_the_hours_quoted_of_the_causes_are_those_of_their_trainings():
    """And of evaluations and Snakemake, which make up the hour that is begun."""
    seconds = pd.read_csv(ROOT / "results/digits_causes/costs.csv").total_seconds.sum()
    quoted = {cells[0]: cells[2] for cells in rows(README, "Reproduce")}["digits, causes"]
    assert quoted == f"{math.ceil(seconds / 2 / 3600)} hours"
    assert "| what | command | time (CPU: two cores) | disk |" in README


def test_the_hours_quoted_of_the_small_network_are_those_of_its_trainings():
    """On two cores, each of which has a training of its own."""
    suites = (MAIN, "cifar10_causes", "cifar10_updates")
    seconds = [pd.read_csv(ROOT / f"results/{name}/costs.csv").total_seconds.sum() for name in suites]
    hours = [f"{each / 2 / 3600:.0f}" for each in seconds]
    quoted = {cells[0]: cells[2] for cells in rows(README, "Reproduce")}["CIFAR-10, small network"]
    assert hours[1] == hours[2]
    assert quoted == f"training: {hours[0]} hours; `{suites[1]}`, `{suites[2]}`: {hours[1]} each"


def test_the_minutes_quoted_of_the_default_suite_are_said_once():
    quoted = {cells[0]: cells[2] for cells in rows(README, "Reproduce")}["digits, theory"]
    minutes = re.search(r"The default suite takes (\d+) minutes", (ROOT / "CHANGELOG.md").read_text())[1]
    assert quoted == f"{minutes} minutes"


def test_every_figure_and_table_stands_by_a_claim():
    named = " ".join(cell for cells in rows(RESULTS, "Figures and tables, by claim") for cell in cells)
    assert {name for name in re.findall(r"`(\w+)`", named)} == FIGURES.keys() | TABLES.keys()


def test_losses_below_their_target_are_said_to_be():
    """In benchmarks/README.md, of the ratios in benchmarks/table.md."""
    ratio = r"^\| (\S.*?) +\|(?:[^|\n]+\|){4} ([\d.]+) \([^|\n]+\| +([\d.]+) +\|$"
    judged = re.findall(ratio, (ROOT / "benchmarks/table.md").read_text(), re.MULTILINE)
    assert len(judged) > 10
    below = {what for what, times, target in judged if float(times) < float(target)}
    assert below == {"loss, kcl-gaussian, M = 64", "loss, kcl-riesz, M = 64"}
    page = " ".join((ROOT / "benchmarks/README.md").read_text().split())
    assert "At M = 64, where a step takes less than a millisecond, both KCL losses are below their" in page


def test_files_that_the_architecture_names_are_there():
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"\b[\w/]+/\w+\.(?:py|yaml|smk|png)\b", text))
    assert len(named) >= 20
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / "src/dhel_kcl" / name).exists()] == []
