"""The project's pages, and the shell commands on them."""

import re

from tests.pipeline import ROOT

FOLDERS = ("results", "config", "benchmarks")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / name / "README.md" for name in FOLDERS),
    *sorted((ROOT / "docs").glob("*.md")),
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def commands(page, programs):
    """Shell commands of a page: lines of its `sh` blocks, what follows a prompt, and what begins with one of the
    programs in back quotes, or with torchrun after a colon. A step that is only named ("`dhel-kcl judge` computes it")
    comes with the dots that stand for its arguments."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = [line for language, block in fenced.findall(page) if language == "sh" for line in block.splitlines()]
    lines += re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    names = "|".join(map(re.escape, programs))
    begins = rf"(?:[A-Z_]+=\S* )*(?:\.venv/bin/)?(?:{names}) "
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", fenced.sub("", page))]
    spans = [re.sub(r"^dhel-kcl [\w-]+$", r"\g<0> …", span) for span in spans if re.match(begins, span)]
    lines += [*spans, *re.findall(r": (torchrun -[^\n\"]+)", page)]
    return [stripped for line in lines if (stripped := re.sub(r"(^| )#.*", "", line).strip())]
