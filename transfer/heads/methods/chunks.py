"""How many rows are worked on at once, so that float64 copies of them stay small."""

ROWS = 1024


def chunks(n):
    """The slices, of at most ROWS each, that make up range(n)."""
    return [slice(start, min(start + ROWS, n)) for start in range(0, n, ROWS)]
