"""Fine-tunes the tail of a network on activations at its cut, in Keras.

The front stays as it is, so what it gives is computed once (transfer.packs.activations); an epoch
sees of each image one of its views, drawn anew, moved by up to a cell.  The tail ends in its mean
over the area, standardised once and for all, dropout, and a dense layer.  Imports TensorFlow.
"""

import json
import math
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from transfer.errors import InputError
from transfer.heads.choosing import folds, temperature
from transfer.heads.fitted import Fitted
from transfer.heads.methods import tail as tail_
from transfer.heads.methods import weights as weights_
from transfer.nets import tails
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf
from transfer.writing import replacing

RATE, HEAD_RATE = 5e-4, 1e-3  # of the tail's weights, and of the dense layer's
WARM_UP = 0.08  # of all steps
WEIGHT_DECAY, DROPOUT, SMOOTHING, LONGEST = 0.02, 0.4, 0.1, 5.0  # the last of a gradient
PATIENCE = 2  # epochs without a better one that end it
HELD_OUT = 10  # of so many folds one is held out, to choose the epoch and the temperature by
FLOOR = 0.1  # of the mean standard deviation of features: a smaller one is divided by this instead


def fit(
    tail, views, labels, n_classes, *, epochs, batch_size, seed, class_weights,
    groups=None, validation=None, place=None, told=None, bar=True,
):  # fmt: skip
    """A fitted.Fitted of the tail and a dense layer on its mean.

    tail: keras.Model from [N, h, w, c] to [N, h', w', d], of nets.tails, trained in place; views: a
    tuple of V arrays [N, h, w, c], the first of the images as they are, may be memory-mapped;
    labels, groups: integers [N] and strings [N]; validation: None or (view [M, h, w, c], labels
    [M]), for curves alone; place: a folder in which each epoch is kept until the fit has ended, so
    that a fit that was killed goes on there and ends in the same weights; told: what else decides
    the fit, plain values: a place of another fit is not gone on from.
    Raises InputError where the loss is not finite.
    """
    dealt = folds.dealt(labels, groups, HELD_OUT, seed)
    held = np.flatnonzero(dealt.held == 0)
    rows = np.flatnonzero(dealt.held != 0)
    tuning = Tuning(tail, n_classes, seed)
    weights = weights_.of_classes(labels[rows], n_classes, class_weights).astype(np.float32)
    steps = math.ceil(len(rows) / batch_size)
    state, curves, best, begun = place and place / "state.npz", [], None, 0
    about = json.dumps([told, epochs, batch_size, seed, class_weights], sort_keys=True)
    if state and state.is_file() and (found := tuning.restored(state, about)):
        begun, curves, best = found
    else:
        tuning.standardise(views[0], rows)
    with tqdm(
        desc="finetune", total=epochs * steps, initial=begun * steps, disable=None if bar else True,
        unit="batch", leave=False,
    ) as shown:  # fmt: skip
        for epoch in range(begun, epochs):
            if _is_over(curves):
                break
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(rows)
            seen = rng.integers(len(views), size=len(order))
            batches = [slice(i, i + batch_size) for i in range(0, len(order), batch_size)]
            losses = []
            for number, (some, x) in enumerate(_read(views, order, seen, batches)):
                rate = _rate(epoch * steps + number, epochs * steps)
                move = rng.integers(-1, 2, 2)
                y = labels[order[some]]
                losses.append(tuning.step(x, y, weights[y], rate, move, [seed, epoch, number]))
                shown.update()
            means = {"loss": float(np.mean(losses))}
            if not math.isfinite(means["loss"]):
                raise InputError(
                    f"the loss stopped being a finite number in epoch {epoch + 1}; the activations "
                    "hold values that are not finite, or too large"
                )
            if len(held):
                means |= tuning.measured("held", views[0], labels, held)
            if validation is not None and len(validation[1]):
                means |= tuning.measured("val", *validation, np.arange(len(validation[1])))
            curves.append(means)
            if _best(curves) == epoch:
                best = tuning.values()
            shown.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
            if state:
                tuning.keep(state, about, epoch + 1, curves, best)
    tuning.take(best)
    t = temperature.fit(tuning.logits(views[0], held)[None], labels[held])
    chosen = _best(curves)
    selection = {"epoch": chosen + 1, "temperature": t} | dealt.about()
    if len(held):
        selection["fold_accuracy"] = curves[chosen]["held_acc"]
        selection["fold_log_loss"] = curves[chosen]["held_loss"]
    names = list(curves[0])
    return Fitted(
        tuning.arrays(t), {name: np.array([c[name] for c in curves]) for name in names}, selection
    )


def _best(curves):
    """The epoch, from 0, of the least loss on what is held out; the last where nothing is."""
    losses = [means.get("held_loss", 0.0) for means in curves]
    return len(losses) - 1 - losses[::-1].index(min(losses))


def _is_over(curves):
    return len(curves) - 1 - _best(curves) >= PATIENCE if curves else False


def _rate(step, steps):
    """Of the full rate at `step`: linear over the warm-up, then half a cosine to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def _read(views, order, seen, batches):
    """Yields (slice, float16 [n, h, w, c]) of each of `batches`, the next being read meanwhile."""

    def read(some):
        chosen = zip(seen[some], order[some], strict=True)
        return some, np.stack([views[view][row] for view, row in chosen])

    with ThreadPoolExecutor(1) as pool:
        coming = deque()
        for some in batches:
            coming.append(pool.submit(read, some))
            if len(coming) > 2:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


class Tuning:
    """The tail, the dense layer on it and their optimizers."""

    def __init__(self, tail, n_classes, seed):
        d = tail.output_shape[-1]
        self._tail = tail
        self._mean = tf.Variable(tf.zeros(d), trainable=False)
        self._scale = tf.Variable(tf.ones(d), trainable=False)
        self._kernel = keras.Variable(np.zeros((d, n_classes), np.float32), name="kernel")
        self._bias = keras.Variable(np.zeros(n_classes, np.float32), name="bias")
        self._dense = [self._kernel, self._bias]
        self._optimizers = []
        for rate, variables in ((RATE, tail.trainable_variables), (HEAD_RATE, self._dense)):
            optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY)
            optimizer.exclude_from_weight_decay(var_names=["bias", "scale", "shift"])
            optimizer.build(variables)
            self._optimizers.append(optimizer)
        self._rates = (RATE, HEAD_RATE)
        self._n_classes = n_classes
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(seed)
        activations = tf.TensorSpec((None, *tail.input_shape[1:]), tf.float16)
        two = tf.TensorSpec((2,), tf.int32)
        of_images = [tf.TensorSpec((None,), dtype) for dtype in (tf.int32, tf.float32)]
        # One function for batches of any length: a last one may be shorter.
        self._step = tf.function(self._one_step, [activations, *of_images, two, two])
        self._forward = tf.function(self._features, [activations])

    def _features(self, x):
        x = tf.cast(x, self._tail.compute_dtype)
        maps = self._tail(x, training=True)
        return tf.reduce_mean(tf.cast(maps, tf.float32), axis=(1, 2))

    def _one_step(self, x, y, weights, move, seed):
        height, width = x.shape[1], x.shape[2]
        padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
        x = padded[:, 1 + move[0] : 1 + move[0] + height, 1 + move[1] : 1 + move[1] + width]
        x = tf.ensure_shape(x, (None, height, width, padded.shape[3]))
        tuned = self._tail.trainable_variables
        with tf.GradientTape() as tape:
            z = (self._features(x) - self._mean) * self._scale
            kept = tf.random.stateless_uniform(tf.shape(z), seed) >= DROPOUT
            z = tf.where(kept, z / (1 - DROPOUT), 0.0)
            log_p = tf.nn.log_softmax(z @ self._kernel.value + self._bias.value)
            wanted = tf.one_hot(y, self._n_classes) * (1 - SMOOTHING) + SMOOTHING / self._n_classes
            loss = tf.reduce_mean(-tf.reduce_sum(wanted * log_p, axis=1) * weights)
        variables = [*tuned, *self._dense]
        gradients = tape.gradient(loss, [getattr(v, "value", v) for v in variables])
        gradients, _ = tf.clip_by_global_norm(gradients, LONGEST)
        for optimizer, some in zip(
            self._optimizers,
            (slice(len(tuned)), slice(len(tuned), None)),
            strict=True,
        ):
            optimizer.apply_gradients(zip(gradients[some], variables[some], strict=True))
        return loss

    def standardise(self, view, rows):
        """Measures mean and spread of the features of `rows` of a view, which then stay."""
        found = self._of_rows(view, rows)
        sd = found.std(axis=0)
        self._mean.assign(found.mean(axis=0))
        self._scale.assign(1 / np.maximum(sd, max(FLOOR * sd.mean(), 1e-6)))

    def step(self, x, y, weights, rate, move, seed):
        """One step on activations x [n, h, w, c]; its loss."""
        for optimizer, full in zip(self._optimizers, self._rates, strict=True):
            optimizer.learning_rate = rate * full
        draw = np.random.SeedSequence(seed).generate_state(2).astype(np.int32)
        return float(
            self._step(
                tf.constant(x), tf.constant(y.astype(np.int32)), tf.constant(weights),
                tf.constant(move.astype(np.int32)), tf.constant(draw),
            )
        )  # fmt: skip

    def logits(self, view, rows):
        """float32 [n, C] of `rows` of a view."""
        z = (self._of_rows(view, rows) - self._mean.numpy()) * self._scale.numpy()
        return z @ self._kernel.numpy() + self._bias.numpy()

    def measured(self, part, view, labels, rows):
        """{<part>_loss, <part>_acc} of `rows` of a view."""
        log_p = temperature.averaged(self.logits(view, rows)[None])
        y = labels[rows]
        return {
            f"{part}_loss": float(-log_p[np.arange(len(y)), y].mean()),
            f"{part}_acc": float((log_p.argmax(axis=1) == y).mean()),
        }

    def _of_rows(self, view, rows, step=64):
        found = [np.zeros((0, self._mean.shape[0]), np.float32)]
        for start in range(0, len(rows), step):
            x = np.asarray(view[rows[start : start + step]])
            found.append(self._forward(tf.constant(x)).numpy())
        return np.concatenate(found)

    def _variables(self):
        return [*self._tail.variables, self._mean, self._scale, *self._dense]

    def values(self):
        """The weights, a list of arrays."""
        return [v.numpy() for v in self._variables()]

    def take(self, values):
        """Goes back to `values`."""
        for variable, value in zip(self._variables(), values, strict=True):
            variable.assign(value)

    def arrays(self, t):
        """The arrays of the head (see tail.probabilities); logits are divided by `t`."""
        scale, mean = self._scale.numpy(), self._mean.numpy()
        kernel = self._kernel.numpy() * scale[:, None] / t
        graph = tails.converted(tails.in_float32(self._tail))
        return tail_.packed(graph, self._tail.input_shape[1:]) | {
            "kernel": kernel.astype(np.float32),
            "bias": (self._bias.numpy() / t - mean @ kernel).astype(np.float32),
        }

    def keep(self, path, about, epoch, curves, best):
        """Writes all that `restored` needs to go on as if nothing had happened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        optimizers = [v.numpy() for o in self._optimizers for v in o.variables]
        kept = {"now": self.values(), "best": best, "optimizer": optimizers}
        arrays = {f"{name}{i}": v for name, values in kept.items() for i, v in enumerate(values)}
        with replacing(path, "wb") as file:
            np.savez(file, about=about, epoch=epoch, curves=json.dumps(curves), **arrays)

    def restored(self, path, about):
        """(epoch, curves, best) as `keep` was given them, with the weights taken back; None where
        they are of another fit, or damaged."""
        variables = [v for o in self._optimizers for v in o.variables]
        try:
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["about"]) != about:
                    return None
                now, best = (
                    [kept[f"{name}{i}"] for i in range(len(self._variables()))]
                    for name in ("now", "best")
                )
                moments = [kept[f"optimizer{i}"] for i in range(len(variables))]
                epoch, curves = int(kept["epoch"]), json.loads(str(kept["curves"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self.take(now)
        for variable, value in zip(variables, moments, strict=True):
            variable.assign(value)
        return epoch, curves, best
