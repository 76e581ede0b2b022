"""Ledger, figures and report from the tidy tables alone, and the report's page as a browser shows it."""

import json
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright

from dhel_kcl.evidence.figures import figures_of
from dhel_kcl.evidence.tables import tables_of
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT, git, run, snakemake

PAPER = ("cifar10", "cifar100", "stl10", "imagenet100")
"""Suites that `paper` joins."""

SUITE = Suite.load(ROOT, "smoke")
SHOWN = {f"paper_figures/smoke/{name}.png" for name in figures_of(SUITE)}
SHOWN |= {f"paper_figures/smoke/{name}.html" for name in tables_of(SUITE)} | {"paper_figures/published.html"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def command(target):
    """What `make target` runs after the installation."""
    lines = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return ["bash", "-c", lines.splitlines()[-1]]


@pytest.fixture(scope="session")
def clone(project, tmp_path_factory):
    """What Git has of a finished run, with the report made from it."""
    folder = tmp_path_factory.mktemp("tables") / "clone"
    git(project, "clone", "--quiet", str(project), str(folder))
    return folder


@pytest.fixture(scope="session")
def report(clone):
    code, output = run(clone, *command("report"))
    assert code == 0, output
    # Apart from what a bare clone cannot know, when each file was made.
    complaints = [line for line in output.splitlines() if re.search("WARNING|ERROR", line)]
    assert complaints == [], "a text that reStructuredText stumbles over is shown as such on the page"
    return clone / "report.html"


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(report, browser):
    """The report, opened. Whatever it asks for and whatever goes wrong in it is noted in page.requested and .wrong."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.requested, page.wrong = [], []
    page.on("request", lambda request: page.requested.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.wrong.append(message.text))
    page.goto(report.as_uri())
    yield page
    assert page.wrong == []
    assert {url.split(":")[0] for url in page.requested} <= {"file", "data"}, "something was fetched from the network"
    page.close()


def test_ledger_figures_and_tables_come_from_the_tidy_tables_alone(project, clone):
    made = ["results/smoke/claims.csv", "paper_figures"]
    before = {
        path: path.read_bytes()
        for name in made
        for path in [clone / name, *(clone / name).rglob("*.*")]
        if path.is_file()
    }
    assert len(before) > 30
    assert not (clone / "results/runs").exists()
    for path in before:
        path.unlink()
    code, output = run(clone, *command("figures"))
    assert code == 0, output
    assert git(clone, "status", "--porcelain") == ""
    assert {path for path, content in before.items() if path.read_bytes() != content} == set()
    code, output = snakemake(clone, "-n", "--config", "from_tables=True", "--", "smoke")
    assert code != 0
    assert "smoke" in output, "runs are no part of this graph"


def test_without_any_tables_it_says_so(clone, tmp_path):
    folder = shutil.copytree(clone, tmp_path / "bare", ignore=shutil.ignore_patterns("results", ".snakemake"))
    code, output = snakemake(folder, "-n", "--config", "from_tables=True")
    assert code != 0
    assert "results/ holds no tidy tables; `git checkout results`" in output
    code, output = snakemake(folder, "-n", "--config", "from_tables=perhaps")
    assert "from_tables: 'perhaps' is neither True nor False" in output


def test_every_figure_and_table_is_in_the_report_with_its_caption(report):
    text = report.read_text()
    shown = json.loads(re.search(r"var results = (\{.*\})", text)[1])
    assert shown.keys() == SHOWN
    assert all(entry["caption"].startswith("<p>") for entry in shown.values())
    categories = json.loads(re.search(r"var categories = (\{.*\})", text)[1])
    assert {name: shelves.keys() for name, shelves in categories.items()} == {
        "claims": {"smoke"},
        "published": {"Other"},
        "smoke": {"figures", "methods", "runs", "tables"},
    }
    for name in ("accuracy", "claims", "spectra"):
        caption = shown[f"paper_figures/smoke/{name}.png"]["caption"]
        assert "<em>n</em>: digits, seeds 2 at selected settings" in caption
        assert "60 test images" in caption
    assert "In short</em>: digits: mean accuracy from " in shown["paper_figures/smoke/accuracy.png"]["caption"]


def test_the_page_opens_with_the_claims_and_the_main_figures(page):
    headings = page.locator(".prose h1").all_inner_texts()
    assert headings == [
        *("DHEL and KCL: what the replication found", "Claims by data set", "More figures"),
        *("How it was measured", "Every run", "How it was made"),
    ]
    assert page.title() == headings[0]
    text = page.locator(".prose").inner_text()
    assert re.search(r"Made \d+ \w+ \d{4}, from revision [0-9a-f]{7}", text)
    assert "Two trainings at the paper’s scale: no ranking" in text.replace("'", "’"), "README's findings open it"
    assert re.search(r"In short.{1,20}: of \d+ exploratory statements", page.content()), "captions count verdicts"
    (not_run,) = re.findall(r"^Suites that have not run: (.*)\.$", text, re.MULTILINE)
    planned = {"cifar10_laptop", "cifar10_causes", "digits_causes"}
    assert {each.split("(")[1].rstrip(")") for each in not_run.split("; ")} == planned | set(PAPER)
    assert "CIFAR-100 (cifar100)" in not_run
    place, menu = page.locator(".prose p").first.bounding_box(), page.locator("nav").first.bounding_box()
    assert place["y"] >= 0, "the top of the page is out of reach"
    assert place["x"] >= menu["x"] + menu["width"], "the menu hides the beginning of each line"
    table = page.locator(".prose table.by-claim")
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
    assert {row[0][:3] for row in rows} == {"C3:", "C4:", "C5:", "C6:", "C6 "}
    column = [head.split("(")[-1] for head in table.locator("th").all_inner_texts()].index("smoke, exploratory)")
    heads, cells = (table.locator(f"{part} tr").first.locator("th, td").all() for part in ("thead", "tbody"))
    places = [[cell.bounding_box()["x"] for cell in row] for row in (heads, cells)]
    assert places[0] == places[1], "heads stand above their columns"
    said = {row[1]: row[column] for row in rows}
    assert re.fullmatch(
        r"(\d+ )?no verdict\n[+−][\d.]+( to [+−][\d.]+)? points", said["accuracy at the selected setting"]
    )
    assert "not run" in {cell for row in rows for cell in row}
    assert page.locator(".vega-embed").count() == 0, "the rule graph was not asked for"
    page.get_by_text("Show how the rules depend on each other").click()
    page.locator(".vega-embed").first.wait_for()
    images = page.locator(".prose img")
    assert images.count() == 3
    assert all(image.evaluate("image => image.naturalWidth") > 400 for image in images.all())
    links = page.locator(".prose a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    paths = [re.fullmatch(r"javascript:showResult\('(.*)'\)", link)[1] for link in links]
    assert set(paths) <= SHOWN
    page.locator(".prose a").first.click()
    page.locator(".result .caption").wait_for()
    assert page.locator(".result h2").inner_text().startswith("smoke: ")


def test_the_committed_tables_make_a_page_with_all_claims(browser, tmp_path):
    """As `make report` in a clone."""
    for name in ("README.md", "Snakefile", "config", "profiles", "workflow", "paper_figures", "results"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        ignore = {"ignore": shutil.ignore_patterns("runs")} if name == "results" else {}
        copy(ROOT / name, tmp_path / name, **ignore)
    code, output = run(tmp_path, *command("report"), root=ROOT)
    assert code == 0, output
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    judged = set()
    for table in page.locator(".prose table").all():
        judged |= set(table.locator("tbody tr td:first-child").all_inner_texts())
    assert {f"C{number}" for number in range(1, 8)} <= {cell.split(":")[0] for cell in judged}
    links = page.locator(".prose figcaption a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links[0] == "javascript:showResult('paper_figures/cifar10_laptop/planned.png')", "the main comparison opens"
    images = page.locator(".prose img").all()
    suites = [Suite.load(ROOT, path.parent.name) for path in (ROOT / "results").glob("*/claims.csv")]
    asked = {
        (suite.name, name)
        for suite in suites
        for name in ("planned" if "planned" in figures_of(suite) else "claims", "accuracy", "causes")
        if name in figures_of(suite)
    }
    assert ("digits_causes", "claims") in asked
    assert {f"javascript:showResult('paper_figures/{suite}/{name}.png')" for suite, name in asked} == set(links)
    assert len(images) == len(links)
    assert all(image.evaluate("image => image.naturalWidth") > 400 for image in images)
    page.close()


@pytest.mark.parametrize("term", ["rank", "DHEL", "temperature", "re:^smoke: effective"])
def test_a_search_finds_labels_and_captions(page, term):
    search = page.get_by_placeholder("Search...")
    for words in ("nothing of this name", term):  # the second search shows its own results
        search.fill(words)
        search.press("Enter")
        page.get_by_text("Search results").wait_for()
    found = page.locator("nav tbody tr")
    found.first.wait_for()
    labels = [text.strip() for text in found.all_inner_texts()]
    assert all(label.startswith("smoke: ") or label.startswith("published: ") for label in labels)
    assert "smoke: effective rank by loss, with alignment and uniformity" in labels or term in ("DHEL", "temperature")


def test_a_result_is_shown_with_its_label_and_caption(page):
    search = page.get_by_placeholder("Search...")
    search.fill("accuracy.png")
    search.press("Enter")
    page.get_by_text("Search results").wait_for()
    page.locator("[iconname=eye]").click()
    shown = page.locator(".p-3 > img[src^='data:image/png']")
    shown.wait_for()
    assert shown.evaluate("image => image.naturalWidth") > 400
    assert page.locator(".result h2").inner_text() == "smoke: test accuracy by loss and batch size"
    assert "Accuracy (%) on the test images" in page.locator(".result .caption").inner_text()


def test_of_the_claims_a_page_shows_the_effects_and_folds_the_rest(page):
    page.evaluate("showResult('paper_figures/smoke/claims.html')")
    frame = page.frame_locator(".result iframe")
    heads = frame.locator("th").all_inner_texts()
    short = ["claim", "data set", "statement", "estimate", "95 % interval", "unit", "p (Holm)", "verdict", "status", ""]
    assert heads == short
    note = frame.locator("dt", has_text="why").first
    assert not note.is_visible()
    frame.locator("summary").first.click()
    assert note.is_visible()


def test_a_narrow_screen_needs_no_scrolling_to_the_side(page):
    page.set_viewport_size({"width": 400, "height": 800})
    for show in ("", "showResult('paper_figures/smoke/claims.png')", "showResult('paper_figures/smoke/claims.html')"):
        page.evaluate(show)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        beyond = """[...document.querySelectorAll('#app *')].filter(
            each => each.getBoundingClientRect().right > 401 && !each.closest('.wide')).map(each => each.outerHTML)"""
        assert page.evaluate(beyond) == []


def test_no_figure_and_no_table_is_broken(page):
    broken = page.evaluate(
        """async () => {
            const broken = [];
            for (const [path, entry] of Object.entries(results)) {
                if (path.endsWith(".png")) {
                    const image = new Image();
                    image.src = entry.data_uri;
                    await image.decode().catch(() => broken.push(path));
                } else {
                    const frame = document.createElement("iframe");
                    frame.srcdoc = await (await fetch(entry.data_uri)).text();
                    document.body.append(frame);
                    await new Promise(done => frame.onload = done);
                    if (frame.contentDocument.querySelectorAll("tbody tr").length === 0) broken.push(path);
                }
            }
            return broken;
        }"""
    )
    assert broken == []
