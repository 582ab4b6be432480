"""Equal images: which rows stay together, and which must be set aside."""

from dataclasses import replace

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
    return [_judged(row, by_content.get(row.sha256, ())) for row in rows]


def _judged(row, copies):
    if row.problem or len(copies) < 2:
        return row
    others = sorted((c.label, c.id) for c in copies if c.label != row.label)
    if others:
        label, id_ = others[0]
        return replace(row, problem=f"the same image stands under another label: {label} ({id_})")
    part, id_ = max(((c.split, c.id) for c in copies), key=lambda c: (_RANK.get(c[0], 0), c[1]))
    if _RANK.get(part, 0) > _RANK.get(row.split, 0):
        return replace(row, problem=f"the same image stands in the source's {part} part: {id_}")
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
