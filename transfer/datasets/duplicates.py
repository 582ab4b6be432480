"""Equal images: which rows stay together, and which must be set aside."""

from dataclasses import replace

# How the problem of a readable image begins; all other problems are images that can't be read.
SET_ASIDE = "the same image stands"

# A part that is judged later keeps its copy: test before validation before what is trained on.
_RANK = {"test": 2, "validation": 1}


def set_aside(rows):
    """`rows` with a problem on each good one that contradicts or leaks into another.

    Equal content (sha256) under two labels: no row of it is usable.  Equal content in two parts of
    the source: only the copies of the part that is judged last stay.
    """
    by_content = {}
    for row in rows:
        if not row.problem:
            by_content.setdefault(row.sha256, []).append(row)
    # Once a content, not once a row: of 100,000 copies each would look at all the others.
    rivals = {sha256: _rivals(rows) for sha256, rows in by_content.items() if len(rows) > 1}
    return [
        _judged(row, *rivals[row.sha256]) if not row.problem and row.sha256 in rivals else row
        for row in rows
    ]


def _rivals(copies):
    """The two first (label, id) of different labels, and the row of the part judged last."""
    first = {}
    for copy in sorted(copies, key=lambda copy: (copy.label, copy.id)):
        first.setdefault(copy.label, copy.id)
    last = max(copies, key=lambda copy: (_RANK.get(copy.split, 0), copy.id))
    return sorted(first.items())[:2], last


def _judged(row, labels, last):
    for label, id_ in labels:
        if label != row.label:
            return replace(row, problem=f"{SET_ASIDE} under another label: {label} ({id_})")
    if _RANK.get(last.split, 0) > _RANK.get(row.split, 0):
        place = f"in the source's {last.split} part: {last.id}"
        return replace(row, problem=f"{SET_ASIDE} {place}")
    return row


def groups(rows):
    """`rows` with the name of what must stay together in `group`, where a track's name or "" stood.

    A group is a track, or an image alone (named by 16 hex digits of its content), and those that
    share an image of one label are one.  Rows with a problem are on their own: their images are in
    no part, so they tie nothing together.
    """
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row in rows:
        own, content = root(_node(row)), root((1, row.sha256[:16]))
        if not row.problem and own != content:
            # The smaller node becomes the root: a track's name before a hash, then by spelling.
            parent[max(own, content)] = min(own, content)
    return [replace(row, group=root(_node(row))[1]) for row in rows]


def _node(row):
    return (0, row.group) if row.group else (1, row.sha256[:16])
