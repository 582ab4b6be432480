"""Fine-tunes the tail of a network on activations at its cut, in Keras.

The front stays as it is, so what it gives is computed once (transfer.packs.activations); an epoch
sees of each image one of its views, drawn anew, moved by up to a cell.  The tail ends in its mean
over the area, standardised once and for all, dropout, and a dense layer, which begins as a ridge
head on the same (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features": from random
weights its first gradients would spoil what the tail knows).  What is measured, and
kept in the end, are running averages of the weights (Polyak and Juditsky 1992), which are better
than the weights of any one step and change less from epoch to epoch.  Imports TensorFlow.
"""

import contextlib
import json
import math
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from transfer.errors import InputError
from transfer.heads.choosing import folds, temperature
from transfer.heads.choosing import selection as selection_
from transfer.heads.fitted import Fitted
from transfer.heads.methods import tail as tail_
from transfer.heads.methods import weights as weights_
from transfer.nets import tails
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf
from transfer.writing import replacing

# The rate of the tail's weights: the more of what is held out the head that it begins as gets
# wrong, the further they have to go.  Where most is right, as large a rate as a tail from the
# middle of a network needs (1e-3 for signs) spoils it: of cifar10 5 points of accuracy.
RATE, LEAST_RATE, LARGEST_RATE = 2e-3, 1e-4, 1e-3
HEAD_RATE = 2  # of the dense layer, in rates of the tail
WARM_UP = 0.08  # of all steps
WEIGHT_DECAY, DROPOUT, SMOOTHING, LONGEST = 0.02, 0.4, 0.1, 5.0  # the last of a gradient
AVERAGED = 100  # steps: a running average forgets a step's weights by 1 / AVERAGED in each further
PATIENCE = 3  # epochs without a better one that end it
# Of the ridge head that the dense layer begins as.  To drop a share p of standardised features is a
# penalty of p / (1 - p) (Wager et al. 2013, "Dropout Training as Adaptive Regularization", for
# least squares): what the dense layer will be trained under.
STRENGTH = DROPOUT / (1 - DROPOUT)
FOLDS = 5  # of that head
START = 5000  # rows, at most, that it is fitted to, and that features are standardised by
HELD_OUT = 10  # of so many folds one is held out, to choose the epoch and the temperature by
FLOOR = 0.1  # of the mean standard deviation of features: a smaller one is divided by this instead


def fit(
    tail, views, labels, n_classes, *, epochs, batch_size, seed, class_weights,
    plain=1, groups=None, validation=None, place=None, told=None, bar=True,
):  # fmt: skip
    """A fitted.Fitted of the tail and a dense layer on its mean.

    tail: keras.Model from [N, h, w, c] to [N, h', w', d], of nets.tails, trained in place; views: a
    tuple of V arrays [N, h, w, c], the first `plain` of the images as they are, over which
    probabilities are averaged, may be memory-mapped; labels, groups: integers [N] and strings [N];
    validation: None or (the same plain views of M images, labels [M]), for curves alone; place: a
    folder in which each epoch is kept until the fit has ended, so that a fit that was killed goes
    on there and ends in the same weights; told: what else decides the fit, plain values: a place of
    another fit is not gone on from.
    Raises InputError where activations or the loss are not finite, or there is one class alone.
    """
    dealt = folds.dealt(labels, groups, HELD_OUT, seed)
    held = np.flatnonzero(dealt.held == 0)
    rows = np.flatnonzero(dealt.held != 0)
    weights = weights_.of_classes(labels[rows], n_classes, class_weights).astype(np.float32)
    training = _Training(views, labels, weights, batch_size, seed)
    looks = views[:plain]
    steps = math.ceil(len(rows) / batch_size)
    state, curves, best, begun = place and place / "state.npz", [], None, 0
    about = json.dumps([told, epochs, batch_size, seed, class_weights], sort_keys=True)
    tuning = Tuning(tail, n_classes, seed)
    if state and state.is_file() and (found := tuning.restored(state, about)):
        begun, rate, curves, best = found
    else:
        some = np.sort(np.random.default_rng(seed).permutation(rows)[:START])
        units = np.arange(len(labels)) if groups is None else np.asarray(groups)
        right = tuning.start(views[0], some, labels[some], units[some], class_weights, seed)
        rate = max(LEAST_RATE, min(LARGEST_RATE, RATE * (1 - right)))
    with tqdm(
        desc="finetune", total=epochs * steps, initial=begun * steps, disable=None if bar else True,
        unit="batch", leave=False,
    ) as shown:  # fmt: skip
        for epoch in range(begun, epochs):
            if _is_over(curves):
                break

            def rate_of(number, done=epoch * steps):
                shown.update()
                return rate * _rate(done + number, epochs * steps)

            means = {"loss": training.run(tuning, rows, steps, rate_of, epoch)}
            if not math.isfinite(means["loss"]):
                raise InputError(
                    f"the loss stopped being a finite number in epoch {epoch + 1}; the activations "
                    "hold values that are not finite, or too large"
                )
            with tuning.averaged():
                if len(held):
                    means |= tuning.measured("held", looks, labels, held)
                if validation is not None and len(validation[1]):
                    means |= tuning.measured("val", *validation, np.arange(len(validation[1])))
                curves.append(means)
                if _best(curves) == epoch:
                    best = tuning.values()
            shown.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
            if state:
                tuning.keep(state, about, epoch + 1, rate, curves, best)
    tuning.take(best)
    t = temperature.fit(tuning.logits(looks, held), labels[held])
    chosen = _best(curves)
    selection = {"rate": rate, "epoch": chosen + 1, "temperature": t} | dealt.about()
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


@dataclass(frozen=True)
class _Training:
    """What steps are made of: V views [N, h, w, c], labels [N], weights of the classes."""

    views: tuple
    labels: np.ndarray
    weights: np.ndarray
    batch_size: int
    seed: int

    def run(self, tuning, rows, steps, rate_of, epoch):
        """`steps` steps on `rows` in an order of the epoch's own, again from the start where they
        end; the mean loss.  rate_of(step): its rate."""
        rng = np.random.default_rng([self.seed, epoch + 1])
        size = self.batch_size
        times = math.ceil(steps * size / len(rows))
        order = np.concatenate([rng.permutation(rows) for _ in range(times)])
        seen = rng.integers(len(self.views), size=len(order))
        losses = []
        for step, (some, x) in enumerate(self._read(order, seen, steps)):
            y = self.labels[order[some]]
            move = rng.integers(-1, 2, 2)
            draw = [self.seed, epoch + 1, step]
            losses.append(tuning.step(x, y, self.weights[y], rate_of(step), move, draw))
        return float(np.mean(losses))

    def _read(self, order, seen, steps):
        """Yields (slice of `order`, float16 [n, h, w, c]) of `steps` batches, the next being read
        meanwhile."""

        def read(step):
            some = slice(step * self.batch_size, (step + 1) * self.batch_size)
            chosen = zip(seen[some], order[some], strict=True)
            return some, np.stack([self.views[view][row] for view, row in chosen])

        with ThreadPoolExecutor(1) as pool:
            coming = deque()
            for step in range(steps):
                coming.append(pool.submit(read, step))
                if len(coming) > 2:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


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
        for variables in (tail.trainable_variables, self._dense):
            optimizer = keras.optimizers.AdamW(weight_decay=WEIGHT_DECAY)
            optimizer.exclude_from_weight_decay(var_names=["bias", "scale", "shift"])
            optimizer.build(variables)
            self._optimizers.append(optimizer)
        self._trained = [*tail.trainable_variables, *self._dense]
        self._averages = [tf.Variable(v.value) for v in self._trained]
        self._steps = tf.Variable(0.0)
        self._n_classes = n_classes
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(seed)
        activations = tf.TensorSpec((None, *tail.input_shape[1:]), tf.float16)
        two = tf.TensorSpec((2,), tf.int32)
        of_images = [tf.TensorSpec((None,), dtype) for dtype in (tf.int32, tf.float32)]
        # One function for whatever head.batch_size is, and for what is measured.
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
        with tf.GradientTape() as tape:
            z = (self._features(x) - self._mean) * self._scale
            kept = tf.random.stateless_uniform(tf.shape(z), seed) >= DROPOUT
            z = tf.where(kept, z / (1 - DROPOUT), 0.0)
            log_p = tf.nn.log_softmax(z @ self._kernel.value + self._bias.value)
            wanted = tf.one_hot(y, self._n_classes) * (1 - SMOOTHING) + SMOOTHING / self._n_classes
            loss = tf.reduce_mean(-tf.reduce_sum(wanted * log_p, axis=1) * weights)
        gradients = tape.gradient(loss, [v.value for v in self._trained])
        gradients, _ = tf.clip_by_global_norm(gradients, LONGEST)
        tail = len(self._trained) - len(self._dense)
        for optimizer, some in zip(self._optimizers, (slice(tail), slice(tail, None)), strict=True):
            optimizer.apply_gradients(zip(gradients[some], self._trained[some], strict=True))
        # Early on, when there is little to average, the weights of a tenth of the steps so far.
        self._steps.assign_add(1)
        share = tf.maximum(1 / AVERAGED, 10 / (10 + self._steps))
        for average, now in zip(self._averages, self._trained, strict=True):
            average.assign_add((now.value - average) * share)
        return loss

    @contextlib.contextmanager
    def averaged(self):
        """Within, the weights are their running averages."""
        now = [v.numpy() for v in self._trained]
        _assign(self._trained, self._averages)
        yield
        _assign(self._trained, now)

    def start(self, view, rows, labels, groups, class_weights, seed):
        """Measures mean and spread of the features of `rows` of a view, which then stay, and begins
        with the ridge head on them; labels, groups: of those rows.  Returns its accuracy on those
        that were held out by folds."""
        found = self._of_rows(view, rows)
        sd = found.std(axis=0)
        self._mean.assign(found.mean(axis=0))
        self._scale.assign(1 / np.maximum(sd, max(FLOOR * sd.mean(), 1e-6)))
        z = (found - self._mean.numpy()) * self._scale.numpy()
        found = selection_.fit_kind(
            "ridge", (z,), labels, self._n_classes, groups=groups, seed=seed, transform="none",
            folds=FOLDS, class_weights=class_weights, strength=STRENGTH,
        )  # fmt: skip
        _assign(self._dense, [found.arrays[name] for name in ("kernel", "bias")])
        _assign(self._averages, [v.value for v in self._trained])
        return found.selection.get("fold_accuracy", 1.0)

    def step(self, x, y, weights, rate, move, seed):
        """One step on activations x [n, h, w, c]; its loss."""
        for optimizer, times in zip(self._optimizers, (1, HEAD_RATE), strict=True):
            optimizer.learning_rate = rate * times
        draw = np.random.SeedSequence(seed).generate_state(2).astype(np.int32)
        return float(
            self._step(
                tf.constant(x), tf.constant(y.astype(np.int32)), tf.constant(weights),
                tf.constant(move.astype(np.int32)), tf.constant(draw),
            )
        )  # fmt: skip

    def logits(self, views, rows):
        """float32 [V, n, C] of `rows` of each of V views."""
        found = np.stack([self._of_rows(view, rows) for view in views])
        z = (found - self._mean.numpy()) * self._scale.numpy()
        return z @ self._kernel.numpy() + self._bias.numpy()

    def judged(self, views, labels, rows):
        """(losses, whether right) of each of `rows`, averaged over the views; with the temperature
        that suits them, since smoothed labels leave all of them too uncertain."""
        logits, y = self.logits(views, rows), labels[rows]
        log_p = temperature.averaged(logits, temperature.fit(logits, y))
        return -log_p[np.arange(len(y)), y], log_p.argmax(axis=1) == y

    def measured(self, part, views, labels, rows):
        """{<part>_loss, <part>_acc} of `rows`: means of `judged`."""
        losses, right = self.judged(views, labels, rows)
        return {f"{part}_loss": float(losses.mean()), f"{part}_acc": float(right.mean())}

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
        _assign(self._variables(), values)

    def arrays(self, t):
        """The arrays of the head (see tail.probabilities); logits are divided by `t`."""
        scale, mean = self._scale.numpy(), self._mean.numpy()
        kernel = self._kernel.numpy() * scale[:, None] / t
        graph = tails.converted(tails.in_float32(self._tail))
        return tail_.packed(graph, self._tail.input_shape[1:]) | {
            "kernel": kernel.astype(np.float32),
            "bias": (self._bias.numpy() / t - mean @ kernel).astype(np.float32),
        }

    def _changing(self):
        """All that a step changes, or depends on."""
        moments = [v for o in self._optimizers for v in o.variables]
        return [*self._variables(), *moments, *self._averages, self._steps]

    def state(self):
        """All that steps change, a list of arrays, for `go_back`."""
        return [v.numpy() for v in self._changing()]

    def go_back(self, state):
        """Goes back to where `state` told of."""
        _assign(self._changing(), state)

    def keep(self, path, about, epoch, rate, curves, best):
        """Writes all that `restored` needs to go on as if nothing had happened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"now": self.state(), "best": best}
        arrays = {f"{name}{i}": v for name, values in kept.items() for i, v in enumerate(values)}
        with replacing(path, "wb") as file:
            np.savez(file, about=about, epoch=epoch, rate=rate, curves=json.dumps(curves), **arrays)

    def restored(self, path, about):
        """(epoch, rate, curves, best) as `keep` was given them, with all else taken back; None
        where they are of another fit, or damaged."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["about"]) != about:
                    return None
                now = [kept[f"now{i}"] for i in range(len(self._changing()))]
                best = [kept[f"best{i}"] for i in range(len(self._variables()))]
                epoch, rate = int(kept["epoch"]), float(kept["rate"])
                curves = json.loads(str(kept["curves"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self.go_back(now)
        return epoch, rate, curves, best
