"""Python itself, and the machine it runs on."""

import platform
import sys

from transfer.health.findings import off, well

LEAST, LAST = (3, 11), (3, 13)  # as `make setup` and pyproject.toml


def check(version=sys.version_info, system=sys.platform, machine=None):
    """The Finding about Python of that version, and the machine it runs on (None: this one)."""
    machine = machine or platform.machine()
    said = f"{'.'.join(map(str, version[:3]))} on {system} {machine}"
    if not LEAST <= tuple(version[:2]) <= LAST:
        return off(
            "python",
            f"{said}; 3.11, 3.12 or 3.13 is needed",
            "`make setup PYTHON=python3.12`",
        )
    if (system, machine) != ("linux", "x86_64"):
        return off(
            "python",
            f"{said}; this project is built and tested on Linux x86-64 alone",
            "run it there: what it computes elsewhere nobody has compared",
        )
    return well("python", said)
