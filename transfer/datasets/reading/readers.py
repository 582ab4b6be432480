"""Images of a dataset, whatever the layout of its files."""

from transfer.datasets.reading import cifar10, class_folders, gtsrb, pickled
from transfer.errors import InputError, unknown

# layout: function (source, folder, raw, members) -> iterator of images.Image
LAYOUTS = {
    "cifar10": cifar10.read,
    "class_folders": class_folders.read,
    "gtsrb": gtsrb.read,
    "pickled": pickled.read,
}


def read(source, folder, raw, members=None):
    """Yields the Images of `source` in an order that its files alone decide.

    folder: the dataset folder (where the user's own images lie); raw: the folder of its archives;
    members: a set of the members wanted, None for all; the others cost as little as they can.
    Raises InputError for a fault of the files, and at the end where a wanted member is not there.
    """
    if source.layout not in LAYOUTS:
        raise unknown(f"layout of dataset {source.name}", source.layout, LAYOUTS)
    missing = set(members or ())
    for image in LAYOUTS[source.layout](source, folder, raw, members):
        missing.discard(image.member)
        yield image
    if missing:
        raise InputError(
            f"dataset {source.name} lacks {len(missing)} members that its index lists, "
            f"such as {min(missing)}; run `dvc repro index`"
        )
