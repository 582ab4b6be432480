"""A Keras model fitted to images as `head.kind: finetune` fits a tail, by Keras' own means."""

import hashlib
import math
import time

import numpy as np

from transfer.features import streams, views
from transfer.heads.choosing import finetuning, tuning
from transfer.nets.networks import keras


def fit(model, x, y, *, epochs, batch, rate, flip):
    """Fits `model`, from uint8 [N, S, S, 3] to logits, to images x with labels y int64 [N]; returns
    the seconds of each epoch.

    In each epoch it sees an augmented view of each image, drawn before the epoch's time is taken,
    mirrored too with `flip`.  Decay, schedule, smoothing and limit are those of heads.choosing.
    """
    steps = math.ceil(len(x) / batch) * epochs
    warm_up = round(finetuning.WARM_UP * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
    )
    model.compile(
        keras.optimizers.AdamW(
            schedule, weight_decay=tuning.WEIGHT_DECAY, global_clipnorm=tuning.LONGEST
        ),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=tuning.SMOOTHING),
    )
    wanted = np.eye(int(y.max()) + 1, dtype=np.float32)[y]
    contents = [hashlib.sha256(picture).digest() for picture in x]
    seconds = []
    for epoch in range(epochs):
        seen = np.array([*_drawn(x, contents, epoch + 1, flip)])
        start = time.perf_counter()
        model.fit(seen, wanted, batch, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds


def _drawn(x, contents, number, flip):
    """Yields the augmented view `number` of each image of x, whose sha256 are `contents`."""
    look = views.looking(f"plain+{number}", flip)
    return streams.ahead(lambda one: look(*one), zip(x, contents, strict=True))


def accuracies(model, parts):
    """{part: accuracy} of the validation and the test part, as squares.of_parts gives them, where
    they hold an image."""
    found = {}
    for name in ("validation", "test"):
        x, y = parts[name]
        if len(y):
            logits = model.predict(x, batch_size=64, verbose=0)
            found[name] = float((logits.argmax(axis=1) == y).mean())
    return found
