"""Trains the head on the training pack.

Reads the training pack and, for the learning curves alone, the validation pack.  Writes
models/head.npz.  Seconds on a laptop CPU.  The packs stay on disk: of an image it holds 16 bytes.
"""

from transfer import errors, params
from transfer.heads import kinds, trained
from transfer.packs import reader as packs


def main(train, validation, head):
    given = params.read(
        "head.kind",
        "head.epochs",
        "head.batch_size",
        "head.seed",
        "head.initializer",
        "head.hidden",
    )
    kind = given.pop("head.kind")
    options = kinds.options(kind, {key.removeprefix("head."): v for key, v in given.items()})
    training, check = packs.read(train), packs.read(validation)
    trained.require_same_source(training, train, check, validation)
    arrays, curves = kinds.fit(
        kind,
        training.features,
        training.labels,
        len(training.classes),
        options,
        validation=(check.features, check.labels),
    )
    fitted = trained.Head(
        kind=kind,
        arrays=arrays,
        classes=list(training.classes),
        net=training.recipe["source"]["net"],
        dataset=training.recipe["source"]["dataset"],
        recipe=training.recipe,
        curves=curves,
        options=options,
    )
    fitted.save(head)
    last = ", ".join(f"{name} {curve[-1]:.4f}" for name, curve in curves.items())
    counts = f"{len(training.labels)} images of {len(fitted.classes)} classes"
    print(f"train: {trained.title(fitted)}: {counts}; {last}")


if __name__ == "__main__":
    errors.run(main)
