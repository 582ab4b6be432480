"""The unlabelled photos: one archive of a mirror, decoded by the library's own reader."""

from pathlib import Path

from transfer.datasets.reading import archives, decoder
from transfer.downloads import fetching, mirrors
from transfer.downloads.files import File

ARCHIVE = File("unlabelled_photos.zip")
FOLDER = Path("data/photos")


def read():
    """([pixels] of all photos, uint8 RGB [H, W, 3], in the archive's order; the archive's line for
    a manifest).

    Raises InputError where no mirror has the archive or a photo can't be decoded.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    got = fetching.fetch(ARCHIVE, FOLDER, mirrors.find(""), pin="pretrain")
    return [decoder.decode(data) for _, data in archives.stream(FOLDER / ARCHIVE.name)], got
