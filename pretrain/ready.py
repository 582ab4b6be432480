"""Says what is missing for a run before DVC removes what the last one made."""

from pathlib import Path

from pretrain.photos import ARCHIVE
from transfer import errors
from transfer.downloads import mirrors


def main():
    """Raises InputError unless $TRANSFER_MIRROR names a mirror that has the photos."""
    place = mirrors.address("")
    if not (Path(place).is_absolute() or mirrors.Mirror(place).is_web):
        raise errors.InputError(
            f"$TRANSFER_MIRROR must name the mirror that mini is trained from, by an absolute path "
            f"or an address; received {place!r}"
        )
    if ARCHIVE.name not in mirrors.find("").sums:
        raise errors.InputError(
            f"the mirror {place} lacks {ARCHIVE.name}, the photos that mini is trained from; name "
            f"another by $TRANSFER_MIRROR"
        )


if __name__ == "__main__":
    with errors.sentences():
        main()
