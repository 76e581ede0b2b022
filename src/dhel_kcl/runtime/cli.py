"""What the command lines of all steps share."""

import argparse
import atexit
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def parser(description: str | None) -> argparse.ArgumentParser:
    """Parser whose --help opens with the module's docstring and shows defaults."""

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        def _get_help_string(self, action: argparse.Action) -> str | None:
            return action.help if action.default is None else super()._get_help_string(action)

    return argparse.ArgumentParser(description=description, formatter_class=Formatter)


def suite_parser(description: str | None) -> argparse.ArgumentParser:
    """`parser` of a step that works on a whole suite."""
    result = parser(description)
    result.add_argument("--root", default=Path(), type=Path, help="repository folder, whose config is read")
    result.add_argument("--suite", required=True, help="name of the suite")
    return result


def add_code(parser: argparse.ArgumentParser) -> None:
    """Let a step take the digest that it is checked against."""
    parser.add_argument("--code", help="digest of the code that the job was planned with; other code is refused")


def add_target(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Let a step take either --suite NAME or --theory. Returns the group, for what else it may be."""
    parser.add_argument("--root", default=Path(), type=Path, help="repository folder, whose config is read")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--suite", help="name of the suite")
    target.add_argument("--theory", action="store_true", help="the theory experiments instead of a suite")
    return target


def unknown(kind: str, name: str, allowed: Sequence[str]) -> str:
    """Message for a name that does not exist, with the one that was meant, if any is close."""
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown {kind} {name!r}{hint}; allowed: {', '.join(allowed)}"


def run(main: Callable[[], None]) -> None:
    """Run a step and end the process; after a foreseen error with one line and exit status 1 instead of a traceback.

    Foreseen is a package that is not installed, too: without its extras this one needs torch, NumPy and SciPy alone.
    """
    try:
        main()
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        if (error.name or "dhel_kcl").split(".")[0] == "dhel_kcl":
            raise
        remedy = "pip install 'dhel-kcl[pipeline]' has all that this package needs; code of your own may need more"
        print(f"error: {error.name} is not installed; {remedy}", file=sys.stderr)
        raise SystemExit(1) from None
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    leave()


def leave() -> None:
    """End the process with status 0 after its exit handlers, without waiting for threads or taking Python apart:
    that alone takes 0.4 s of a core once torch is loaded, and a step's files are already complete."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
