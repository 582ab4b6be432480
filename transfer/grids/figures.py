"""Accuracies as short text, and tables that read well as plain text and as a page."""

from statistics import fmean


def short(fraction, digits=3):
    """A fraction 0..1 without its zero: .629."""
    return f"{fraction:.{digits}f}".removeprefix("0")


def with_interval(measured):
    """The accuracy of a part of metrics.json with its 95 % interval: .629 (.553-.702)."""
    low, high = short(measured["accuracy_low"]), short(measured["accuracy_high"])
    return f"{short(measured['accuracy'])} ({low}-{high})"


def mean_and_range(fractions):
    """The mean of fractions and what they span: .620 (.601-.639)."""
    low, high = short(min(fractions)), short(max(fractions))
    return f"{short(fmean(fractions))} ({low}-{high})"


def markdown(columns, rows):
    """A Markdown table of texts whose columns stand one below the other in the source too.

    Raises ValueError where a row has not one cell a column.
    """
    lines = [list(columns), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))} |"
        for line in lines
    )
