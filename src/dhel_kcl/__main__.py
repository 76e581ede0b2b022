"""``dhel-kcl <step> ...``, the same as ``python -m dhel_kcl <step> ...``: the one command line of the package."""

import ast
import socket
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

STEPS = {
    "data": ("fetch", "split"),
    "training and evaluation": ("pretrain", "evaluate", "transfer", "select"),
    "theory": ("compute",),
    "evidence": ("collect", "judge", "tabulate", "draw", "record", "power"),
    "beside the pipeline": (
        "demo",
        "new-suite",
        "plan",
        "interim",
        "compare",
        "identify",
        "export-encoder",
        "document",
        "dress-report",
    ),
}
"""In the order of the data."""


def module(step: str) -> str:
    """Name of a step's module in `steps`."""
    return step.replace("-", "_")


def usage() -> str:
    """Every step with the first line of its module's docstring, which needs no import."""
    lines = ["usage: dhel-kcl STEP ...", "", "Steps, in the order of the data; each has --help:"]
    for stage, names in STEPS.items():
        lines += ["", f"{stage}:"]
        for name in names:
            text = Path(__file__).with_name("steps").joinpath(f"{module(name)}.py").read_text(encoding="utf-8")
            first = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
            lines.append(f"  {name:<16}{first}")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the step that the first argument names, in a child of the warm process if there is one."""
    from dhel_kcl.runtime import warm

    status = warm.hand_over(sys.argv[1:])
    if status is not None:
        warm.end_as(status)
    run(sys.argv[1:])


def run(arguments: list[str]) -> None:
    """Run the step that the first argument names, here."""
    from dhel_kcl.runtime import cli, surroundings

    surroundings.keep_out()
    known = [name for names in STEPS.values() for name in names]
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(usage(), end="")
        return
    if name not in known:
        sys.exit(f"error: {cli.unknown('step', name, known)}; `dhel-kcl --help` says what each does")
    sys.argv = [f"dhel-kcl {name}", *arguments[1:]]
    cli.run(lambda: import_module(f"dhel_kcl.steps.{module(name)}").main())


def serve() -> None:
    """Be the warm process that `runtime.warm` starts with the descriptor of its socket: import all there is."""
    from dhel_kcl.runtime import surroundings, warm

    surroundings.keep_out()
    listener = socket.socket(fileno=int(sys.argv[1]))
    for found in walk_packages([str(Path(__file__).parent)], "dhel_kcl."):
        if found.name != __name__:
            import_module(found.name)
    warm.serve(listener, run)


if __name__ == "__main__":
    main()
