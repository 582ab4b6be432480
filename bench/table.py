"""Figures as Markdown: medians with their spread, and tables ready for a page."""

import math
import shlex
from statistics import median

from bench import machine


def head(module, argv):
    """The machine and the command that was given, for the top of a table."""
    command = shlex.join(["python", "-m", module, *argv])
    return f"{machine.sentences()}\n\n    {command}\n"


def markdown(columns, rows):
    """A Markdown table; cells are texts, or numbers, which get three significant digits.

    Raises ValueError where a row has not one cell a column.
    """
    lines = [list(columns), ["---"] * len(columns)]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"expected {len(columns)} cells, received {len(row)}: {row}")
        lines.append([cell if isinstance(cell, str) else number(cell) for cell in row])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value):
    """`value` with three significant digits, or all those of its whole part: 0.0123, 1.23, 1,235;
    whole numbers as they are."""
    if isinstance(value, int):
        return f"{value:,}"
    if not value or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def spread(values):
    """The median of `values` and, where there are several, `(least-most)`."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}-{number(max(values))})"


def geometric_mean(values):
    """The geometric mean of `values`, all above 0."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))
