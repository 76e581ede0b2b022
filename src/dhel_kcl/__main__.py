"""``dhel-kcl <step> ...``, the same as ``python -m dhel_kcl <step> ...``: the one command line of the package."""

import ast
import sys
from importlib import import_module
from pathlib import Path

STEPS = {
    "data": ("fetch", "split"),
    "training and evaluation": ("pretrain", "evaluate", "transfer", "select"),
    "theory": ("compute",),
    "evidence": ("collect", "judge", "tabulate", "draw", "record"),
    "beside the pipeline": ("plan", "interim", "compare", "identify", "document"),
}
"""In the order of the data."""


def usage() -> str:
    """Every step with the first line of its module's docstring, which needs no import."""
    lines = ["usage: dhel-kcl STEP ...", "", "Steps, in the order of the data; each has --help:"]
    for stage, names in STEPS.items():
        lines += ["", f"{stage}:"]
        for name in names:
            text = Path(__file__).with_name("steps").joinpath(f"{name}.py").read_text(encoding="utf-8")
            first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
            lines.append(f"  {name:<10}{first}")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the step that the first argument names."""
    from dhel_kcl.runtime import cli

    known = [name for names in STEPS.values() for name in names]
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(usage(), end="")
        return
    if name not in known:
        sys.exit(f"error: {cli.unknown('step', name, known)}; `dhel-kcl --help` says what each does")
    sys.argv = [f"dhel-kcl {name}", *sys.argv[2:]]
    cli.run(lambda: import_module(f"dhel_kcl.steps.{name}").main())


if __name__ == "__main__":
    main()
