"""The instructions of this machine's CPU that decide how, and in which last digits, it computes."""

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Flags of the Linux kernel (arch/x86/include/asm/cpufeatures.h), any of which is the thing named.
SETS = {
    "AMX bf16": ("amx_bf16",),
    "AMX int8": ("amx_int8",),
    "AVX-512": ("avx512f",),
    "AVX-512 bf16": ("avx512_bf16",),
    "VNNI": ("avx512_vnni", "avx_vnni"),
}


def instruction_sets(text):
    """Those of SETS that the first processor of a /proc/cpuinfo has."""
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    has = set(flags[1].split()) if flags else set()
    return [name for name, names in SETS.items() if has & set(names)]


def here():
    """`instruction_sets` of this machine; [] where the system does not say."""
    return instruction_sets(CPUINFO.read_text(encoding="utf-8")) if CPUINFO.is_file() else []
