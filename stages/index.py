"""Index: decode every image once, list what can't be used, and draw the parts.

Reads: the dataset folder (its source.yaml, or the user's own images) and data/raw/<dataset>.
Writes: data/index/<dataset>.csv, one row an image (transfer.datasets.index.COLUMNS), and
data/index/<dataset>_near.csv, pairs of near-duplicates (transfer.datasets.near.COLUMNS).
A minute for 100,000 photos of 200 kB on 8 cores; what was decoded before costs hashing alone.
Memory: 200 bytes an image at most beside what the readers keep; disk, in $SQLITE_TMPDIR, $TMPDIR or
/var/tmp while it runs: the names and 20 bytes an image.
"""

from transfer import errors, params
from transfer.datasets import copies, sources, survey
from transfer.datasets import index as table
from transfer.datasets import near as near_
from transfer.datasets.reading import readers
from transfer.downloads import kept


def main(source, raw, index, near):
    """Paths: the dataset folder, the folder of its archives, the two CSV files to write."""
    given = params.read(
        "strict", "split.by", "split.per_class", "split.validation", "split.test", "split.seed"
    )
    dataset = sources.load(source)
    shortfall = copies.shortfall(source) if dataset.kind == "own" else ""
    if shortfall and given["strict"]:
        raise errors.InputError(f"{shortfall}; strict: true refuses that")
    rows, notes = survey.build(
        readers.read(dataset, source, raw),
        dataset,
        strict=given["strict"],
        by=given["split.by"],
        per_class=given["split.per_class"],
        validation=given["split.validation"],
        test=given["split.test"],
        seed=given["split.seed"],
        store=kept.store_folder(),
    )
    table.write(index, rows)
    near_.write(near, rows)
    print(
        f"index: {dataset.name}: {table.summary(rows)}; all in {index}, near-duplicates in {near}"
    )
    for note in [shortfall, *notes] if shortfall else notes:
        print(f"index: note: {note}")


if __name__ == "__main__":
    errors.run(main)
