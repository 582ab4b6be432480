"""The German Traffic Sign Recognition Benchmark as its publisher packs it, in three zip archives.

    GTSRB/Final_Training/Images/00042/00005_00012.ppm    class 42, track 5, frame 12
    GTSRB/Final_Training/Images/00042/GT-00042.csv       the table of that folder
    GTSRB/Final_Test/Images/00000.ppm                    of no known track
    GT-final_test.csv                                    the table of the official test set

A track is one sign filmed in passing: up to 30 frames, nearly the same.  Tables and images must
agree in full.  The whole image is the sign's: the region of interest is not used.  The paths of
the members tell what is what, not the names of the archives.  Passed over: texts, and the test
table without labels, UNLABELLED.  The ids and labels of all images are held, some 120 bytes an
image (and see archives for what a zip costs): the benchmark has 51,839.
"""

import csv
import io
import re
from pathlib import Path, PurePosixPath

from transfer.datasets.reading import archives
from transfer.datasets.reading.extensions import EXTENSIONS
from transfer.datasets.reading.images import Image
from transfer.errors import InputError

COLUMNS = ["Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"]
UNLABELLED = "GT-final_test.test.csv"

_IMAGES = ("training images", "test images")
# kind of member: (part, how its path may end, an example).  The part and the first group make an
# image's id, or what stands before the file names of a table in the ids of its images.
_KINDS = {
    "training images": (
        "train",
        r"Final_Training/Images/([0-9]{5}/[0-9]{5}_[0-9]{5}\.ppm)",
        "Final_Training/Images/00042/00005_00012.ppm",
    ),
    "training tables": (
        "train",
        r"Final_Training/Images/(([0-9]{5})/)GT-\2\.csv",
        "Final_Training/Images/00042/GT-00042.csv",
    ),
    "test images": ("test", r"Final_Test/Images/([0-9]{5}\.ppm)", "Final_Test/Images/00000.ppm"),
    "test table": ("test", r"()GT-final_test\.csv", "GT-final_test.csv"),
}
_PATTERNS = {kind: re.compile(f"(?:.*/)?{tail}") for kind, (_, tail, _) in _KINDS.items()}


def read(source, folder, raw, members=None, located=False):
    """Yields an Image a sign, archive by archive in their order (see readers.read)."""
    paths = [Path(raw) / archive for archive in source.archives]
    labels, tables = _members(source, paths)
    _fill(labels, source, paths, tables)

    def wanted(member):
        return (members is None or member in members) and _kind(member)[0] in _IMAGES

    for path in paths:
        for member, data in (archives.located if located else archives.stream)(path, wanted):
            _, id_ = _kind(member)
            yield Image(id_, member, labels[id_], id_.split("/")[0], _track(id_), data)


def _track(id_):
    """train/00042/00005_00012.ppm is of the track 00042/00005; test signs are of none."""
    part, *place = id_.split("/")
    return "/".join(place).split("_")[0] if part == "train" else ""


def _kind(member):
    """(kind, the part and the pattern's group) of a member's path, ("", "") where it is of none."""
    for kind, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(member):
            return kind, f"{_KINDS[kind][0]}/{match[1]}"
    return "", ""


def _members(source, paths):
    """({id: None} of all images, {table: what the ids of its images begin with})."""
    labels, tables, kinds = {}, {}, set()
    for path in paths:
        again = None
        for member in archives.names(path):
            kind, place = _kind(member)
            if not kind:
                _check_no_data(path, member)
                continue
            if place in labels or member in tables:
                again = again or member  # told below: `names` may have more to say of it
            if kind in _IMAGES:
                labels[place] = None
            else:
                tables[member] = place
            kinds.add(kind)
        if again:
            raise InputError(f"{path}: {again} stands in another archive or folder too; leave one")
    for kind in _KINDS:
        if kind not in kinds:
            here = ", ".join(path.name for path in paths)
            raise InputError(
                f"dataset {source.name}: none of its archives ({here}) holds the {kind}, such as "
                f"{_KINDS[kind][2]}; add the archive that does to `files` in source.yaml"
            )
    return labels, tables


def _check_no_data(path, member):
    name = PurePosixPath(member)
    if name.suffix.lower() in (".csv", *EXTENSIONS) and name.name != UNLABELLED:
        raise InputError(
            f"{path}: {member} has no place in the benchmark's archives; expected images and "
            "tables below Final_Training/Images/00000 to 00042 and Final_Test/Images alone"
        )


def _fill(labels, source, paths, tables):
    """Sets {id: label} for all images as the tables say, which must list these and no others."""
    for path in paths:
        for member, data in archives.stream(path, tables.__contains__):
            before = tables[member]
            for place, name, number in _rows(f"{path}: {member}", data, before):
                id_ = f"{before}{name}"
                if id_ not in labels:
                    raise InputError(f"{place}: no archive holds the image {name!r}; fetch anew")
                if labels[id_] is not None:
                    raise InputError(f"{place}: {name} stands twice in the tables; leave one row")
                labels[id_] = source.label(number, place)
    bare = [id_ for id_, label in labels.items() if label is None]
    if bare:
        raise InputError(
            f"dataset {source.name}: {len(bare)} images have no row in a table (GT-*.csv), the "
            f"first {min(bare)}; fetch the archives anew"
        )


def _rows(where, data, before):
    """Yields (place, file name, class number) of each row of the table `data` (bytes), whose
    images' ids begin with `before`."""
    try:
        text = data.decode()
        table = csv.reader(io.StringIO(text, newline=""), delimiter=";", quoting=csv.QUOTE_NONE)
        rows = list(table)
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{where} is not a table: {fault}; fetch the archive anew") from None
    if not rows or rows[0] != COLUMNS:
        received = ";".join(rows[0])[:200] if rows else "nothing"
        raise InputError(f"{where}: expected the columns {';'.join(COLUMNS)}; received {received}")
    for line, cells in enumerate(rows[1:], 2):
        place = f"{where}, row {line}"
        if len(cells) != len(COLUMNS):
            raise InputError(
                f"{place} has {len(cells)} cells, not {len(COLUMNS)}; the table may be cut, fetch "
                "the archive anew"
            )
        number = cells[-1]
        if not re.fullmatch("[0-9]{1,9}", number):
            raise InputError(f"{place}: expected a number as ClassId; received {number!r}")
        # A cut 12 reads as 1: where the file ends so, only a folder can confirm the class.
        if line == len(rows) and len(number) == 1 and not text.endswith("\n") and before == "test/":
            raise InputError(f"{place} has no line end: the table may be cut; fetch it anew")
        if before != "test/" and int(number) != int(before.split("/")[1]):
            raise InputError(
                f"{place}: ClassId {number} disagrees with the folder {before.split('/')[1]}; "
                "correct one of them"
            )
        yield place, cells[0], int(number)
