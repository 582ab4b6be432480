"""Brings a dataset's raw files: whole archives as published, or the rendered sample.

Reads the dataset folder, and the mirror or the public addresses.  Writes data/raw/<dataset>/: the
archives and manifest.json (each file's sha256, and whether it is the published one); for the
user's own images the manifest alone, since they are read in place.
"""

from transfer import errors, params
from transfer.datasets import sources
from transfer.downloads import fetching, manifests, mirrors
from transfer.nets import cards


def main(source, raw):
    given = params.read("mirror")
    dataset = sources.load(source)
    sources.require_known(dataset, cards.known())
    raw.mkdir(parents=True, exist_ok=True)
    if dataset.kind == "own":
        manifests.write(raw, "own")
    elif dataset.kind == "render":
        from transfer.datasets.rendering import sample  # noqa: PLC0415  # imports scikit-image

        sample.render(raw / sources.RENDERED, dataset.render)
        manifests.write(raw, "rendered")
    else:
        mirror = mirrors.find(given["mirror"])
        files = [fetching.fetch(file, raw, mirror, pin=dataset.name) for file in dataset.files]
        manifests.write(raw, manifests.origin_of(files), files)
    print(f"fetch_data: {dataset.name}: {manifests.read(raw)['origin']}")


if __name__ == "__main__":
    errors.run(main)
