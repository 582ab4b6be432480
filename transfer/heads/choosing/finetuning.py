"""Fine-tunes the tail of a network on activations at its cut, in Keras.

The front stays as it is, so what it gives is computed once (transfer.packs.activations); an epoch
sees of each image one of its views, or one that is computed for the epoch alone, moved by up to a
cell.  The tail ends in its mean over the area, standardised once and for all, dropout, and a dense
layer, which begins as a ridge head on the same (Kumar et al. 2022, "Fine-Tuning can Distort
Pretrained Features": from random weights its first gradients would spoil what the tail knows).
What is measured, and kept in the end, are running averages of the weights (Polyak and Juditsky
1992), which are better than the weights of any one step and change less from epoch to epoch.
Imports TensorFlow.
"""

import contextlib
import json
import math
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from transfer.errors import InputError
from transfer.heads.choosing import candidates, folds, temperature
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
# middle of a network needs (near 1e-3 for signs) spoils it: of cifar10 5 points of accuracy.
RATE, LEAST_RATE = 1e-3, 1e-4
HEAD_RATE = 2  # of the dense layer, in rates of the tail
WARM_UP = 0.08  # of all steps
WEIGHT_DECAY, DROPOUT, SMOOTHING, LONGEST = 0.02, 0.4, 0.1, 5.0  # the last of a gradient
AVERAGED = 100  # steps: a running average forgets a step's weights by 1 / AVERAGED in each further
EPOCHS, STEPS = 10, 300  # at least so many of both, where epochs are to be chosen
PATIENCE = 3  # epochs, clearly worse than the best, that end it
# Of the ridge head that the dense layer begins as.  To drop a share p of standardised features is a
# penalty of p / (1 - p) (Wager et al. 2013, "Dropout Training as Adaptive Regularization", for
# least squares): what the dense layer will be trained under.
STRENGTH = DROPOUT / (1 - DROPOUT)
FOLDS = 5  # of that head
START = 5000  # rows, at most, that it is fitted to, and that features are standardised by
HELD_OUT = 10  # of so many folds one is held out, to choose the epoch and the temperature by
FLOOR = 0.1  # of the mean standard deviation of features: a smaller one is divided by this instead


def fit(
    tail, views, labels, n_classes, *, rate, epochs, batch_size, seed, class_weights,
    plain=1, groups=None, validation=None, place=None, told=None, fresh=None, bar=True,
):  # fmt: skip
    """A fitted.Fitted of the tail and a dense layer on its mean.

    tail: keras.Model from [N, h, w, c] to [N, h', w', d], of nets.tails, trained in place; views: a
    tuple of V arrays [N, h, w, c], the first `plain` of the images as they are, over which
    probabilities are averaged, may be memory-mapped; labels, groups: integers [N] and strings [N];
    validation: None or (the same plain views of M images, labels [M]), for curves alone, which tell
    of the first view, since all of them would take as long as the training; rate: a number, or
    auto: by the accuracy of the head that it begins as; epochs: a number, or auto: EPOCHS, or more
    where STEPS batches need more; place: a folder in which each epoch is kept until the fit has
    ended, so that a fit that was killed goes on there and ends in the same weights; told: what else
    decides the fit, plain values: a place of another fit is not gone on from; fresh: None, or what
    gives the views that an epoch sees instead of `views` (see features.fresh.Fresh).
    Raises InputError where activations or the loss are not finite, or there is one class alone.
    """
    dealt = folds.dealt(labels, groups, HELD_OUT, seed)
    held = np.flatnonzero(dealt.held == 0)
    rows = np.flatnonzero(dealt.held != 0)
    weights = weights_.of_classes(labels[rows], n_classes, class_weights).astype(np.float32)
    training = Training(views, labels, weights, batch_size, seed, fresh)
    looks = views[:plain]
    steps = math.ceil(len(rows) / batch_size)
    epochs = max(EPOCHS, math.ceil(STEPS / steps)) if epochs == "auto" else epochs
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    state, curves, chosen, begun = place and place / "state.npz", [], Chosen(), 0
    about = json.dumps([told, rate, epochs, batch_size, seed, class_weights], sort_keys=True)
    tuning = Tuning(tail, n_classes, seed)
    if state and state.is_file() and (found := tuning.restored(state, about)):
        begun, rate, curves, chosen = found
    else:
        some = np.sort(np.random.default_rng(seed).permutation(rows)[:START])
        right = tuning.start(views[0], some, labels[some], units[some], class_weights, seed)
        rate = max(LEAST_RATE, RATE * (1 - right)) if rate == "auto" else rate
    with tqdm(
        desc="finetune", total=epochs * steps, initial=begun * steps, disable=None if bar else True,
        unit="batch", leave=False,
    ) as shown:  # fmt: skip
        for epoch in range(begun, epochs):
            if epoch - chosen.epoch > PATIENCE:
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
                losses = np.zeros(0)
                if len(held):
                    losses, right = tuning.judged(looks, labels, held)
                    means |= {"held_loss": float(losses.mean()), "held_acc": float(right.mean())}
                if validation is not None and len(validation[1]):
                    (first, *_), known = validation
                    loss, right = tuning.judged((first,), known, np.arange(len(known)))
                    means |= {"val_loss": float(loss.mean()), "val_acc": float(right.mean())}
                curves.append(means)
                chosen = chosen.or_later(epoch, losses, units[held], tuning.values)
            shown.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
            if state:
                tuning.keep(state, about, epoch + 1, rate, curves, chosen)
    tuning.take(chosen.values)
    t = temperature.fit(tuning.logits(looks, held), labels[held])
    selection = {"rate": rate, "epoch": chosen.epoch + 1, "temperature": t} | dealt.about()
    if len(held):
        selection["fold_accuracy"] = curves[chosen.epoch]["held_acc"]
        selection["fold_log_loss"] = curves[chosen.epoch]["held_loss"]
    names = list(curves[0])
    return Fitted(
        tuning.arrays(t), {name: np.array([c[name] for c in curves]) for name in names}, selection
    )


@dataclass(frozen=True)
class Chosen:
    """What is kept in the end: of the last epoch that is not clearly worse on what is held out than
    the best, since the rate falls from epoch to epoch and few images are held out.

    epoch: from 0; values: its weights; least: losses [n] of what is held out in the best one.
    """

    epoch: int = -1
    values: list | None = None
    least: np.ndarray | None = None

    def or_later(self, epoch, losses, groups, values):
        """The Chosen after a further epoch with `losses` [n] of what is held out, of `groups`,
        integers [n]; values(): its weights."""
        is_best = self.least is None or losses.sum() < self.least.sum()
        least = losses if is_best else self.least
        if len(losses) and candidates.is_clearly_better(least, losses, groups):
            return replace(self, least=least)
        return Chosen(epoch, values(), least)


def _rate(step, steps):
    """Of the full rate at `step`: linear over the warm-up, then half a cosine to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


@dataclass(frozen=True)
class Training:
    """What steps are made of: V views [N, h, w, c], labels [N], weights of the classes."""

    views: tuple
    labels: np.ndarray
    weights: np.ndarray
    batch_size: int
    seed: int
    fresh: object

    def run(self, tuning, rows, steps, rate_of, epoch):
        """`steps` steps on `rows` in an order of the epoch's own, again from the start where they
        end; the mean loss.  rate_of(step): its rate."""
        rng = np.random.default_rng([self.seed, epoch + 1])
        size = self.batch_size
        times = math.ceil(steps * size / len(rows))
        order = np.concatenate([rng.permutation(rows) for _ in range(times)])
        count = self.fresh.views if self.fresh else len(self.views)
        seen = rng.integers(count, size=len(order))
        batches = [slice(step * size, (step + 1) * size) for step in range(steps)]
        wanted = [(order[some], seen[some]) for some in batches]
        found = self.fresh.stream(epoch + 1, wanted) if self.fresh else map(self._read, wanted)
        shape = self.views[0].shape[1:]
        losses = []
        for step, ((chosen, _), flat) in enumerate(zip(wanted, _ahead(found), strict=True)):
            x, y = flat.reshape(-1, *shape), self.labels[chosen]
            move = rng.integers(-1, 2, 2)
            draw = [self.seed, epoch + 1, step]
            losses.append(tuning.step(x, y, self.weights[y], rate_of(step), move, draw))
        return float(np.mean(losses))

    def _read(self, wanted):
        """float16 [n, h, w, c] of (rows [n], views [n])."""
        return np.stack([self.views[view][row] for row, view in zip(*wanted, strict=True)])


def _ahead(items):
    """Yields `items`, the next of which are worked out meanwhile."""
    items, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, items, end) for _ in range(2))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item


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

    def keep(self, path, about, epoch, rate, curves, chosen):
        """Writes all that `restored` needs to go on as if nothing had happened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"now": self.state(), "chosen": chosen.values}
        arrays = {f"{name}{i}": v for name, values in kept.items() for i, v in enumerate(values)}
        plain = {"about": about, "epoch": epoch, "rate": rate, "curves": json.dumps(curves)}
        with replacing(path, "wb") as file:
            np.savez(file, **plain, chosen=chosen.epoch, least=chosen.least, **arrays)

    def restored(self, path, about):
        """(epoch, rate, curves, chosen) as `keep` was given them, with all else taken back; None
        where they are of another fit, or damaged."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["about"]) != about:
                    return None
                now = [kept[f"now{i}"] for i in range(len(self._changing()))]
                values = [kept[f"chosen{i}"] for i in range(len(self._variables()))]
                chosen = Chosen(int(kept["chosen"]), values, kept["least"])
                epoch, rate = int(kept["epoch"]), float(kept["rate"])
                curves = json.loads(str(kept["curves"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        self.go_back(now)
        return epoch, rate, curves, chosen
