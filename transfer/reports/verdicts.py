"""A comparison of two runs in words, or as JSON."""

import json
from dataclasses import asdict

from transfer.reports.comparison import FEW, LEVEL

MOST = 10  # classes that are printed


def text(a, b, compared, notes=()):
    """The lines to print of {part: Comparison} of the runs named `a` and `b`."""
    lines = [f"A is {a}, B is {b}", *(f"note: {note}" for note in notes)]
    for found in compared.values():
        lines += ["", *_part(found)]
    return "\n".join(lines)


def as_json(a, b, compared, notes=()):
    """One JSON object: the names, the notes, and of each part all of its Comparison."""
    parts = {part: asdict(f) | {"p": f.p, "verdict": verdict(f)} for part, f in compared.items()}
    whole = {"A": a, "B": b, "notes": list(notes), **parts}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False)


def untrained(runs):
    """Notes on those of `runs`, {name: rows of predictions.csv}, whose net was never trained."""
    return [
        f"{name} is untrained: its network has random filters"
        for name, rows in runs.items()
        if any(row["weights"] == "untrained" for row in rows)
    ]


def verdict(found):
    """One sentence: which run is better, or that none can be told to be."""
    difference, low, high = found.change
    if found.a_only == found.b_only == 0:
        return "no difference can be told: both are right and wrong on the same images"
    name = "A" if difference < 0 else "B"
    if found.p >= LEVEL:
        return f"no difference can be told: {_change(found.change)}, p {_chance(found.p)}"
    if name == "A":
        low, high = (None, None) if low is None else (-high, -low)
    return f"{name} is better: {_change((abs(difference), low, high))}, p {_chance(found.p)}"


def _part(found):
    groups = f", in {found.n_groups:,} groups" if found.n_groups < found.n else ""
    yield f"{found.part}: {found.n:,} images that both have{groups}"
    if found.only_in_a or found.only_in_b:
        yield f"  left out: {found.only_in_a:,} images that only A has, {found.only_in_b:,} only B"
    share = found.n / (found.n + max(found.only_in_a, found.only_in_b))
    if share < FEW:
        yield f"  warning: both have {share:.0%} of the images alone: their splits or data differ"
    for name, (accuracy, low, high) in (("A", found.a), ("B", found.b)):
        yield f"  accuracy of {name}: {accuracy:.4f} ({low:.4f}-{high:.4f})"
    yield f"  difference: {_change(found.change)}"
    yield f"  right in A alone: {found.a_only:,}; in B alone: {found.b_only:,}"
    if found.p_groups is None:
        yield f"  p {_chance(found.p_images)}, by McNemar's exact test, which decides"
    else:
        yield f"  p {_chance(found.p_groups)}, by the sign-flip test of groups, which decides:"
        yield "    images of a group are right or wrong together"
        yield f"  p {_chance(found.p_images)}, by McNemar's exact test, if images were independent"
    yield f"  {verdict(found)}"
    yield from _classes(found.moved)


def _classes(moved):
    if not moved:
        return
    rest = f", the {MOST} largest of {len(moved)} changes" if len(moved) > MOST else ""
    yield f"  recall by class{rest}:"
    width = max(len(m.name) for m in moved[:MOST])
    for m in moved[:MOST]:
        points = 100 * (m.b - m.a) / m.n
        yield f"    {m.name:<{width}}  {points:+6.1f} points ({m.a} to {m.b} of {m.n})"


def _change(change):
    """A (difference, low, high) in percentage points: +2.3 points (+0.9 to +3.7)."""
    difference, low, high = (None if end is None else f"{100 * end:+.1f}" for end in change)
    ends = "no interval: all groups changed alike" if low is None else f"{low} to {high}"
    return f"{difference} points ({ends})"


def _chance(p):
    """p as `= .013`, two digits of it where it is small, and `< .0001`."""
    if p < 0.0001:
        return "< .0001"
    return f"= {p:.{4 if p < 0.01 else 3}f}".replace("= 0.", "= .")
