"""Free space against what the run will write, as far as that is known before it."""

from pathlib import Path

from transfer.downloads import kept, mirrors
from transfer.downloads.fetching import available
from transfer.errors import InputError
from transfer.features.store.upkeep import readable
from transfer.health import disks
from transfer.health.findings import off, well
from transfer.nets import graphs

FLOAT = 4  # bytes


def check(run):
    """The Finding about the space that run.Run needs."""
    files, from_web, unknown = to_fetch(run)
    graph = to_convert(run)
    features = of_features(run)
    try:
        store = kept.store_folder()
    except InputError:  # the check of the store tells
        store = "."
    # What comes from an address is kept by hash as well; packs repeat what the store keeps.
    at_store = from_web + (features or 0)
    here = files + graph + (features or 0)
    parts = [f"{readable(files)} to fetch{f' and {unknown}' if unknown else ''}"]
    parts += [f"{readable(graph)} of network"] if graph else []
    parts += [
        "features not known before the index"
        if features is None
        else f"{readable(features)} of features{' and activations' if run.cut else ''}, twice"
    ]
    shared = disks.same(".", store)
    places = {".": here + at_store} if shared else {".": here, store: at_store}
    for place, need in places.items():
        if disks.free(place) < need:
            return off(
                "space",
                f"the run needs {readable(need)} on the disk of {place} and "
                f"{readable(disks.free(place))} is free ({', '.join(parts)})",
                "free some, as by `python -m transfer store gc --keep 5GB`",
            )
    return well("space", f"{readable(disks.free('.'))} free; {', '.join(parts)}")


def to_fetch(run):
    """(bytes, those of them from an address, words) of the files that are not in the workspace yet;
    words for sizes that nobody says."""
    try:
        mirror = mirrors.Mirror() if _is_web(run) else mirrors.find(run.given["mirror"])
    except InputError:  # the check of the mirror tells
        mirror = mirrors.Mirror()
    known, from_web, lacking = 0, 0, 0
    for files, folder in run.files:
        file = available(files, mirror)
        if Path(folder, file.name).exists():
            continue
        here = Path(mirror.at(file.name))
        listed = not file.path and file.name in mirror.sums and here.is_file()
        count = here.stat().st_size if listed else file.size
        known, lacking = known + count, lacking + (not count)
        from_web += 0 if listed or file.path else count
    return (
        known,
        from_web,
        f"{lacking} file{'s' * (lacking > 1)} of unknown size" if lacking else "",
    )


def _is_web(run):
    return mirrors.Mirror(mirrors.address(run.given["mirror"])).is_web


def to_convert(run):
    """Bytes of the converted network, in float32; 0 where it is there."""
    there = Path(f"models/backbones/{run.card.name}", graphs.GRAPH).exists()
    return 0 if there else FLOAT * run.card.parameters


def of_features(run):
    """Bytes of the features, and of the activations at a cut, of all images in all views, or None
    where their number or their length can't be known yet.  A cut's shape is known at the card's
    size, so activations are about right, and augmented ones are counted of all images."""
    index = Path(f"data/index/{run.source.name}.csv")
    length = length_of(run)
    if length is None or not index.is_file():
        return None
    with index.open("rb") as file:
        images = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1
    of_image = FLOAT * length * len(run.choice.views)
    if run.cut:
        ((name, _),) = run.cut.layers
        size = run.card.cuts[name].size * (run.cut.size / run.card.size) ** 2
        of_image += round(size) * len(run.cut.views)
    return max(0, images) * of_image


def length_of(run):
    """D of the run's features: as the card says, or as the converted network gives it, or None."""
    layers = run.choice.layers
    if [name if cells == 1 else f"{name}:{cells}" for name, cells in layers] == [run.card.layer]:
        return run.card.features
    try:
        depths = graphs.read_about(Path(f"models/backbones/{run.card.name}")).get("layers", {})
    except InputError:
        return None
    if any(name not in depths for name, _ in layers):
        return None
    return sum(depths[name] * cells**2 for name, cells in layers)
