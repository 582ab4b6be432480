"""Images of a dataset, whatever the layout of its files."""

from transfer.datasets.reading import cifar10, class_folders, gtsrb, pickled
from transfer.errors import InputError, unknown

# layout: function (source, folder, raw, members, located) -> iterator of images.Image
LAYOUTS = {
    "cifar10": cifar10.read,
    "class_folders": class_folders.read,
    "gtsrb": gtsrb.read,
    "pickled": pickled.read,
}


def read(source, folder, raw, members=None, located=False):
    """Yields the Images of `source` in an order that its files alone decide.

    folder: the dataset folder (where the user's own images lie); raw: the folder of its archives;
    members: the members wanted, any object with `in` and `len`, None for all; the others cost as
    little as they can; located: whether an Image is to tell where its bytes lie (pieces.Piece)
    and not to hold them, wherever they can be read without the rest of the file.
    Holds no more than some bytes an image (see archives, gtsrb).
    Raises InputError for a fault of the files, and at the end where a wanted member is not there.
    """
    if source.layout not in LAYOUTS:
        raise unknown(f"layout of dataset {source.name}", source.layout, LAYOUTS)
    found = 0
    for image in LAYOUTS[source.layout](source, folder, raw, members, located):
        found += 1
        yield image
    if members is not None and found < len(members):
        raise InputError(
            f"dataset {source.name} lacks {len(members) - found} members that its index lists; "
            "run `dvc repro index`"
        )
