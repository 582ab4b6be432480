"""A picture of accuracy over training images."""

from statistics import fmean

from transfer.writing import replacing

COLOUR = "#1f7a8c"  # of the other plots


def draw(path, title, points):
    """Writes the PNG `path`: each point a dot, the means of equal labels a line.

    points: (label, training images from 1, accuracy 0..1); the same points give the same bytes.
    """
    # Not at the top: whoever asks for another command must not wait for it.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    by_label, names = {}, {}
    for label, n, accuracy in points:
        by_label.setdefault(str(label), []).append((n, accuracy))
    means = {label: (_mean(its, 0), _mean(its, 1)) for label, its in by_label.items()}
    for label, (n, _) in means.items():  # budgets beyond what there is come to the same
        names.setdefault(round(n), []).append(label)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*sorted(means.values()), strict=True), color=COLOUR, linewidth=1.5)
    axes.scatter(*zip(*((n, a) for _, n, a in points), strict=True), color=COLOUR, s=18, zorder=3)
    for n, labels in names.items():
        lowest = min(accuracy for label in labels for _, accuracy in by_label[label])
        axes.annotate(
            ", ".join(labels), (n, lowest), (0, -13), textcoords="offset points", ha="center"
        )
    axes.set_xscale("log")
    axes.set_xticks(sorted(names))
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.margins(x=0.06, y=0.12)
    axes.set(xlabel="training images (at the points: images a class)", ylabel="accuracy")
    axes.set_title(title, fontsize=11, loc="left")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})


def _mean(points, axis):
    return fmean(point[axis] for point in points)
