"""What the command lines of all steps share."""

import argparse
import sys
from collections.abc import Callable


def parser(description: str | None) -> argparse.ArgumentParser:
    """Parser whose --help opens with the module's docstring and shows defaults."""

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        pass

    return argparse.ArgumentParser(description=description, formatter_class=Formatter)


def run(main: Callable[[], None]) -> None:
    """Run a step; a foreseen error ends it with one line and exit status 1 instead of a traceback."""
    try:
        main()
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
