"""Print the reference of the config, docs/configuration.md.

Example:
    dhel-kcl document > docs/configuration.md
"""

from dhel_kcl.runtime import cli
from dhel_kcl.study.config_reference import reference


def main() -> None:
    cli.parser(__doc__).parse_args()
    print(reference(), end="")
