"""What users have set for other programs, kept away from figures."""

import os


def keep_out() -> None:
    """For this process and those that it starts; call it before matplotlib is imported.

    Jupyter and Colab export MPLBACKEND, the name of a module that is not in this Python environment, and importing
    matplotlib then fails. A matplotlibrc changes figures.
    """
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
