"""Trains `mini` to give for each view what the teachers give, and what a sign in it shows.

Feature distillation: squared errors in the principal components of the teachers' features (see
components.py), each layer of each teacher weighing the same; of views of signs, squared errors in
the components of the face and the cross-entropy of what is written (see drawn.py); AdamW
(Loshchilov and Hutter 2019) with warm-up and a cosine; a moving average of all weights is what is
kept.  Reads data/views.npy, faces.npy, texts.npy and targets.  Writes data/trained.npz, the
averaged weights by layer, and log.csv.  Killed, it goes on from the last checkpoint.
"""

import json
import math
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml

from pretrain import components, drawn, resuming, student
from pretrain import faces as drawn_faces
from pretrain.places import CARDS, COLUMNS, FACES, LOG, TARGETS, TEXTS, TRAINED, VIEWS
from transfer import errors
from transfer.nets import cards, mini
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf
from transfer.writing import replacing

_LOGGED = 50  # steps
_HEADER = "step,images,loss,teachers,faces,texts,seconds"


def main():
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    columns = json.loads((TARGETS / COLUMNS).read_text(encoding="utf-8"))
    views = np.load(VIEWS, mmap_mode="r")
    targets = {net: np.load(TARGETS / f"{net}.npy", mmap_mode="r") for net in columns}
    faces, texts = np.load(FACES, mmap_mode="r"), np.load(TEXTS)
    signs = drawn.signs(faces, texts, given["faces"], given["whitened"])
    convention = cards.load(CARDS / "mini.yaml").pixels
    files = (VIEWS, FACES, TEXTS, *(TARGETS / f"{net}.npy" for net in columns))
    read = [resuming.identity(path) for path in files]
    code = [m.__file__ for m in (components, drawn, drawn_faces, student, mini)] + [__file__]
    place = resuming.folder("train", code, given, columns, read, vars(convention))
    training = Training(given, columns, convention)
    state = place / "state.npz"
    lines = training.restore(state) if state.is_file() else [_HEADER]
    begun = time.monotonic() - (float(lines[-1].split(",")[-1]) if len(lines) > 1 else 0)
    while training.step < given["steps"]:
        rows, size = batch(given, len(views), training.step)
        told = {net: values[rows] for net, values in targets.items()}
        losses = training.learn(views[rows], told, signs[rows], size).numpy()
        if not np.isfinite(losses).all():
            raise errors.InputError(
                f"the loss of step {training.step} is {losses[0]}; the last checkpoint is as it "
                f"was: choose a smaller train.learning_rate in pretrain/params.yaml"
            )
        if training.step % _LOGGED == 0:
            values = ",".join(f"{loss:.4f}" for loss in losses)
            lines.append(f"{training.step},{training.step * given['batch_size']},{values},"
                         f"{time.monotonic() - begun:.0f}")  # fmt: skip
            print(lines[-1], flush=True)
        if training.step % given["checkpoint"] == 0:
            training.keep(state, lines)
    with replacing(TRAINED, "wb") as file:
        np.savez(file, **training.averaged_backbone())
    with replacing(LOG) as file:
        file.write("\n".join(lines) + "\n")


def batch(given, count, step):
    """(rows, size) of step `step`: batch_size of `count` views, at least as many, each seen at most
    once an epoch in an order drawn anew; pixels drawn by their weights."""
    width = given["batch_size"]
    epoch, within = divmod(step, count // width)
    order = _order(given["seed"], epoch, count)
    sizes = list(given["sizes"])
    rng = np.random.default_rng([given["seed"], epoch, within])
    return np.sort(order[within * width : (within + 1) * width]), int(
        rng.choice(sizes, p=list(given["sizes"].values()))
    )


@lru_cache(maxsize=1)
def _order(seed, epoch, count):
    return np.random.default_rng([seed, epoch]).permutation(count)


def rate(given, step):
    """The learning rate at `step`: linear from 0 over warm_up steps, then half a cosine to 0."""
    if step < given["warm_up"]:
        return given["learning_rate"] * (step + 1) / given["warm_up"]
    part = (step - given["warm_up"]) / max(given["steps"] - given["warm_up"], 1)
    return given["learning_rate"] * (1 + math.cos(math.pi * part)) / 2


def of_signs(answers, faces, texts):
    """(squared error of the faces, cross-entropy of the texts), means over the views of signs; 0
    where there is none."""
    is_sign = tf.cast(texts[:, 0] >= 0, tf.float32)
    share = is_sign / tf.maximum(tf.reduce_sum(is_sign), 1)
    apart = tf.math.squared_difference(
        answers[student.FACES], tf.cast(faces, tf.float32)[:, None]
    )  # [N, 2, K]
    told = tf.maximum(tf.cast(texts, tf.int32), 0)[:, None] + tf.zeros((1, 2, 1), tf.int32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(told, answers[student.TEXTS])
    return tuple(
        tf.reduce_sum(share * tf.reduce_mean(part, axis=(1, 2))) for part in (apart, entropy)
    )


class Training:
    """The student, its optimizer and the average of its weights, after `step` steps."""

    def __init__(self, given, columns, convention):
        self._given, self._convention, self.step = given, convention, 0
        keras.utils.set_random_seed(given["seed"])
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        self._backbone, self._model = student.build(columns, given["faces"])
        keras.config.set_dtype_policy(before)
        self._optimizer = keras.optimizers.AdamW(
            given["learning_rate"], weight_decay=given["weight_decay"], global_clipnorm=5.0
        )
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(self._model.trainable_variables)
        self._average = [v.numpy() for v in self._model.weights]
        parts = {net: [cells * k for _, cells, k in told] for net, told in columns.items()}

        @tf.function
        def learn(images, told, faces, texts):
            with tf.GradientTape() as tape:
                answers = self._model(images, training=True)
                losses = []
                for net, widths in parts.items():
                    apart = tf.math.squared_difference(answers[net], tf.cast(told[net], tf.float32))
                    losses += [tf.reduce_mean(p) for p in tf.split(apart, widths, axis=1)]
                of_teachers = tf.add_n(losses) / len(losses)
                of_faces, of_texts = of_signs(answers, faces, texts)
                weights = given["weights"]
                loss = of_teachers + weights["faces"] * of_faces + weights["texts"] * of_texts
            variables = self._model.trainable_variables
            self._optimizer.apply_gradients(
                zip(tape.gradient(loss, variables), variables, strict=True)
            )
            return tf.stack([loss, of_teachers, of_faces, of_texts])

        self._learn = learn

    def learn(self, views, told, signs, size):
        """One step on uint8 [N, H, W, 3] at `size` pixels, {net: float16 [N, ...]} and (faces,
        texts) of drawn.Signs.

        Returns float32 [4]: the loss, and its parts of teachers, faces and texts unweighted.
        """
        self._optimizer.learning_rate = rate(self._given, self.step)
        told = {net: tf.constant(values) for net, values in told.items()}
        seen = student.pixels(views, size, self._convention)
        losses = self._learn(seen, told, *map(tf.constant, signs))
        self.step += 1
        # Early on the average would hold on to weights drawn by chance.
        decay = min(self._given["ema_decay"], self.step / (self.step + 10))
        for kept, now in zip(self._average, self._model.weights, strict=True):
            np.add(kept, (1 - decay) * (now.numpy() - kept), out=kept)
        return losses

    def averaged_backbone(self):
        """{layer/number: array} of mini alone, the averaged weights."""
        self._set(self._average)
        return {
            f"{layer.name}/{number}": value
            for layer in self._backbone.layers
            for number, value in enumerate(layer.get_weights())
        }

    def keep(self, path, lines):
        """Writes all that `restore` needs to go on as if nothing had happened."""
        arrays = {f"weights{i}": v.numpy() for i, v in enumerate(self._model.weights)}
        arrays |= {f"average{i}": value for i, value in enumerate(self._average)}
        arrays |= {f"optimizer{i}": v.numpy() for i, v in enumerate(self._optimizer.variables)}
        with replacing(path, "wb") as file:
            np.savez(file, step=self.step, lines=np.array(lines), **arrays)

    def restore(self, path):
        """Goes back to what `keep` wrote; returns its lines."""
        with np.load(path) as kept:
            self.step, lines = int(kept["step"]), kept["lines"].tolist()
            self._set([kept[f"weights{i}"] for i in range(len(self._average))])
            self._average = [kept[f"average{i}"] for i in range(len(self._average))]
            for i, variable in enumerate(self._optimizer.variables):
                variable.assign(kept[f"optimizer{i}"])
        return lines

    def _set(self, values):
        for variable, value in zip(self._model.weights, values, strict=True):
            variable.assign(value)


if __name__ == "__main__":
    errors.run(main)
