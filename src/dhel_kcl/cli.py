"""What the command lines of all steps share."""

import argparse
import atexit
import os
import sys
from collections.abc import Callable


def parser(description: str | None) -> argparse.ArgumentParser:
    """Parser whose --help opens with the module's docstring and shows defaults."""

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        pass

    return argparse.ArgumentParser(description=description, formatter_class=Formatter)


def run(main: Callable[[], None]) -> None:
    """Run a step and end the process; after a foreseen error with one line and exit status 1 instead of a traceback."""
    try:
        main()
        sys.stdout.flush()
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    leave()


def leave() -> None:
    """End the process with status 0 after its exit handlers, without waiting for threads or taking Python apart:
    that alone takes 0.4 s of a core once torch is loaded, and a step's files are already complete."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
