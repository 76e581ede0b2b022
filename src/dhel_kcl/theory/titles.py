"""Names of the losses in the theory's figures and tables, in the order in which these list them."""

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
