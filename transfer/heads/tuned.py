"""The head that is a network's own tail: fitted on what the extract stage wrote at a cut.

Imports TensorFlow.
"""

import contextlib
import hashlib
import json
import shutil
import time
from pathlib import Path

from transfer.downloads import kept
from transfer.errors import unknown
from transfer.heads.choosing import epochs, finetuning, tuning
from transfer.nets import networks, tails
from transfer.nets.networks import keras

ABANDONED = 7 * 24 * 3600  # seconds; no epoch takes so long
POLICIES = {"bf16": "mixed_bfloat16", "int8": "mixed_bfloat16"}  # else float32


def fit(training, views, check, held, net, weights, options, fresh=None):
    """A fitted.Fitted of `head.kind: finetune`.

    training, check: the packs of the training and validation part (activations.pack_of); views,
    held: tuples of their activations [N, h, w, c], of each view; net: its cards.Card; weights: the
    folder of its weights; options: those of the kind; fresh: None or a features.fresh.Fresh, whose
    augmented views are seen instead of `views`.  A fit that was killed goes on where it was: each
    epoch lies beside the feature store until the fit has ended.

    Raises InputError for a layer that `options` name and the network has not after the cut.
    """
    (cut,) = training.recipe["layers"]
    if cut not in net.cuts:
        raise unknown(f"cut of {net.name}", cut, net.cuts)
    settings = dict(options)
    upto = settings.pop("upto")
    upto = net.cuts[cut].upto if upto == "auto" else upto
    # As the activations were computed: a device without bfloat16 gave none.
    keras.config.set_dtype_policy(POLICIES.get(training.recipe["precision"], "float32"))
    tail = tails.build(net, weights, cut, upto, views[0].shape[1:])
    told = [training.recipe, options | {"upto": upto}, fresh and fresh.decided_by, _code()]
    told += [training.ids.tolist(), training.labels.tolist()]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    place = _place(digest)
    found = finetuning.fit(
        tail,
        views,
        training.labels,
        len(training.classes),
        groups=training.groups,
        plain=len(held),
        validation=(held, check.labels),
        place=place,
        told=digest,
        fresh=fresh,
        **settings,
    )
    shutil.rmtree(place, ignore_errors=True)
    augmented = "fresh" if fresh else len(views) - len(held)
    found.selection.update(upto=upto, augmented=augmented)
    return found


def _code():
    """What else decides a fit: what fits it."""
    modules = (finetuning, epochs, tuning, tails)
    contents = (Path(module.__file__).read_bytes() for module in modules)
    return [networks.VERSIONS, *(hashlib.sha256(content).hexdigest() for content in contents)]


def _place(digest):
    """Where a fit is kept until it has ended; what was given up long ago is removed there."""
    shelf = kept.store_folder() / "tuning"
    for other in shelf.glob("*"):
        with contextlib.suppress(OSError):  # another process removed it
            if time.time() - other.stat().st_mtime > ABANDONED:
                shutil.rmtree(other)
    return shelf / digest[:16]
