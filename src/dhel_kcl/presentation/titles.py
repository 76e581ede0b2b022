"""Names of the losses where every form of DHEL and every kernel is one, in the order in which the theory lists them."""

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
