"""The machine that figures are of: its CPU, instruction sets, cores, memory and the versions."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

# Those that decide how fast a network runs, as Linux names them in /proc/cpuinfo.
SETS = "avx2 avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 amx_fp16"
PACKAGES = ("openvino", "keras", "tensorflow", "numpy", "pillow", "dvc")


def sentences():
    """What the machine is, in two sentences for the head of a table."""
    text = cpuinfo()
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    found = ", ".join(instruction_sets(text)) or "no AVX2"
    return (
        f"{model[1] if model else platform.machine()}, {cores()} cores, {memory() / 2**30:.0f} GiB "
        f"of memory; {found}: {kind(text)}. Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in PACKAGES)}."
    )


def cpuinfo():
    """The text of /proc/cpuinfo."""
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")


def instruction_sets(text):
    """The names in SETS that `text`, of /proc/cpuinfo, lists, in the order of SETS."""
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    here = set(flags[1].split()) if flags else set()
    return [name for name in SETS.split() if name in here]


def kind(text):
    """What kind of CPU goals are set for: `AMX`, `AVX-512 alone` or `neither AMX nor AVX-512`."""
    here = instruction_sets(text)
    if "amx_tile" in here:
        return "AMX"
    return "AVX-512 alone" if "avx512f" in here else "neither AMX nor AVX-512"


def cores():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def memory():
    """Bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
