"""What users have set for other programs, kept away from results."""

import os
import sys
from io import TextIOWrapper


def keep_out() -> None:
    """For this process and those that it starts; call it before matplotlib is imported.

    Jupyter and Colab export MPLBACKEND, whose module is not in this Python environment: importing matplotlib fails. A
    matplotlibrc changes figures. A terminal's encoding may lack signs that messages have.
    """
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
