"""Trains the head on the training pack.

Reads the training pack and, for the learning curves alone, the validation pack.  Writes
models/head.npz.  Seconds on a laptop CPU.  For softmax and mlp the packs stay on disk: of an image
it holds 16 bytes.  The other kinds hold the training rows, at most 1 GB; where there are more,
ridge, which auto is then, reads them in passes.  `head.kind: finetune` reads the activations at the
cut, the card and the weights instead of features, and the backbone too where it draws views anew;
it imports TensorFlow and takes minutes.
"""

from transfer import errors, params
from transfer.features import gpus
from transfer.heads import kinds, trained
from transfer.heads.choosing import selection
from transfer.nets import cards
from transfer.packs import activations, squares
from transfer.packs import reader as packs


def main(train, validation, train_cut, validation_cut, card, weights, backbone, head):
    given = params.read(
        "head.kind",
        "head.epochs",
        "head.batch_size",
        "head.seed",
        "head.initializer",
        "head.hidden",
        "head.transform",
        "head.strength",
        "head.neighbours",
        "head.folds",
        "head.class_weights",
        "head.upto",
        "head.rate",
    )
    kind = given.pop("head.kind")
    options = kinds.options(kind, {key.removeprefix("head."): v for key, v in given.items()})
    training, check = packs.read(train), packs.read(validation)
    trained.require_same_source(training, train, check, validation)
    if kind == "finetune":
        views, plain = activations.read(train_cut), activations.read(validation_cut)
        if views.recipe["engine"] == "keras":  # what computed them is what trains
            gpus.allow()
        from transfer.features import fresh  # noqa: PLC0415  # imports OpenVINO
        from transfer.heads import tuned  # noqa: PLC0415  # imports TensorFlow

        training, check = activations.pack_of(training, views), activations.pack_of(check, plain)
        net, drawn = cards.load(card), squares.read(train_cut)
        drawing = drawn and fresh.Fresh(drawn, net, backbone, weights)
        found = tuned.fit(
            training, views.arrays, check, plain.arrays, net, weights, options, drawing
        )
    else:
        found = kinds.fit(
            kind,
            training.views,
            training.labels,
            len(training.classes),
            options,
            groups=training.groups,
            validation=(check.views, check.labels),
        )
    fitted = trained.Head(
        kind=found.selection.get("kind", kind),  # of auto, the one it chose
        arrays=found.arrays,
        classes=list(training.classes),
        net=check.recipe["source"]["net"],
        dataset=check.recipe["source"]["dataset"],
        recipe=check.recipe,  # of a tuned network without the views that only training sees
        curves=found.curves,
        options=options,
        selection=found.selection,
    )
    fitted.save(head)
    counts = f"{len(training.labels):,} images of {len(fitted.classes)} classes"
    told = _told(found.curves, fitted.selection) or selection.told(fitted.selection)
    print(f"train: {trained.title(fitted)}: {counts}; {told}")
    if "note" in fitted.selection:
        print(f"train: note: {fitted.selection['note']}")


def _told(curves, selection):
    """The values of the curves in the epoch that is kept: the last, or the one that was chosen."""
    epochs = max(map(len, curves.values()), default=0)
    kept = selection.get("epoch", epochs)
    told = ", ".join(f"{name} {curve[kept - 1]:.4f}" for name, curve in curves.items())
    return told + (f" (epoch {kept} of {epochs}, which is kept)" if kept < epochs else "")


if __name__ == "__main__":
    errors.run(main)
