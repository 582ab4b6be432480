"""Trains `mini` to give for each view what the teachers give.

Feature distillation: squared errors in the principal components of the teachers' features (see
components.py), each layer of each teacher weighing the same; AdamW (Loshchilov and Hutter 2019)
with warm-up and a cosine; a moving average of all weights is what is kept.  Reads data/views.npy
and data/targets.  Writes data/trained.npz, the averaged weights by layer, and log.csv.  Killed, it
goes on from the last checkpoint.
"""

import json
import math
import time
from pathlib import Path

import numpy as np
import yaml

from pretrain import resuming, student
from pretrain.places import CARDS, COLUMNS, LOG, TARGETS, TRAINED, VIEWS
from transfer import errors
from transfer.nets import cards, mini
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf
from transfer.writing import replacing

_LOGGED = 50  # steps


def main():
    given = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    columns = json.loads((TARGETS / COLUMNS).read_text(encoding="utf-8"))
    views = np.load(VIEWS, mmap_mode="r")
    targets = {net: np.load(TARGETS / f"{net}.npy", mmap_mode="r") for net in columns}
    convention = cards.load(CARDS / "mini.yaml").pixels
    read = [resuming.identity(p) for p in (VIEWS, *(TARGETS / f"{net}.npy" for net in columns))]
    code = (__file__, student.__file__, mini.__file__)
    place = resuming.folder("train", code, given, columns, read, vars(convention))
    training = Training(given, columns, convention)
    state = place / "state.npz"
    lines = training.restore(state) if state.is_file() else ["step,images,loss,seconds"]
    begun = time.monotonic() - (float(lines[-1].split(",")[3]) if len(lines) > 1 else 0)
    while training.step < given["steps"]:
        rows, size = batch(given, len(views), training.step)
        loss = float(training.learn(views[rows], {n: t[rows] for n, t in targets.items()}, size))
        if not math.isfinite(loss):
            raise errors.InputError(
                f"the loss of step {training.step} is {loss}; the last checkpoint is as it was: "
                f"choose a smaller train.learning_rate in pretrain/params.yaml"
            )
        if training.step % _LOGGED == 0:
            lines.append(f"{training.step},{training.step * given['batch_size']},{loss:.4f},"
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
    order = np.random.default_rng([given["seed"], epoch]).permutation(count)
    sizes = list(given["sizes"])
    rng = np.random.default_rng([given["seed"], epoch, within])
    return np.sort(order[within * width : (within + 1) * width]), int(
        rng.choice(sizes, p=list(given["sizes"].values()))
    )


def rate(given, step):
    """The learning rate at `step`: linear from 0 over warm_up steps, then half a cosine to 0."""
    if step < given["warm_up"]:
        return given["learning_rate"] * (step + 1) / given["warm_up"]
    part = (step - given["warm_up"]) / max(given["steps"] - given["warm_up"], 1)
    return given["learning_rate"] * (1 + math.cos(math.pi * part)) / 2


class Training:
    """The student, its optimizer and the average of its weights, after `step` steps."""

    def __init__(self, given, columns, convention):
        self._given, self._convention, self.step = given, convention, 0
        keras.utils.set_random_seed(given["seed"])
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        self._backbone, self._model = student.build(columns)
        keras.config.set_dtype_policy(before)
        self._optimizer = keras.optimizers.AdamW(
            given["learning_rate"], weight_decay=given["weight_decay"], global_clipnorm=5.0
        )
        self._optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self._optimizer.build(self._model.trainable_variables)
        self._average = [v.numpy() for v in self._model.weights]
        parts = {net: [cells * k for _, cells, k in told] for net, told in columns.items()}

        @tf.function(reduce_retracing=False)
        def learn(images, told):
            with tf.GradientTape() as tape:
                answers = self._model(images, training=True)
                losses = []
                for net, widths in parts.items():
                    apart = tf.math.squared_difference(answers[net], tf.cast(told[net], tf.float32))
                    losses += [tf.reduce_mean(p) for p in tf.split(apart, widths, axis=1)]
                loss = tf.add_n(losses) / len(losses)
            variables = self._model.trainable_variables
            self._optimizer.apply_gradients(
                zip(tape.gradient(loss, variables), variables, strict=True)
            )
            return loss

        self._learn = learn

    def learn(self, views, told, size):
        """One step on uint8 [N, H, W, 3] at `size` pixels and {net: float16 [N, ...]}; its loss."""
        self._optimizer.learning_rate = rate(self._given, self.step)
        told = {net: tf.constant(values) for net, values in told.items()}
        loss = self._learn(student.pixels(views, size, self._convention), told)
        self.step += 1
        # Early on the average would hold on to weights drawn by chance.
        decay = min(self._given["ema_decay"], self.step / (self.step + 10))
        for kept, now in zip(self._average, self._model.weights, strict=True):
            np.add(kept, (1 - decay) * (now.numpy() - kept), out=kept)
        return loss

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
