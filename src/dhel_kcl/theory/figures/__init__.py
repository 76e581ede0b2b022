"""One module a figure of a theory experiment, named as the experiment: `draw(table)`."""

TITLES = {
    "infonce": "InfoNCE",
    "simclr": "SimCLR",
    "dcl": "DCL",
    "dhel-anchor": "DHEL anchor",
    "dhel-mean": "DHEL mean",
    "dhel": "DHEL sum",
    "kcl-gaussian": "KCL Gaussian",
    "kcl-log": "KCL log",
    "kcl-imq": "KCL IMQ",
    "kcl-riesz": "KCL Riesz",
}
"""Names of the losses, in the order in which figures list them."""
