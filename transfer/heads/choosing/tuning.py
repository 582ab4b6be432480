"""What a fine-tuning trains: the tail of a network, a dense layer on its mean, their optimizers.

The tail ends in its mean over the area, standardised once and for all, dropout, and a dense
layer, which begins as a ridge head on the same (Kumar et al. 2022, "Fine-Tuning can Distort
Pretrained Features": from random weights its first gradients would spoil what the tail knows).
What is measured, and kept in the end, are running averages of the weights (Polyak and Juditsky
1992), which are better than the weights of any one step and change less from epoch to epoch.
Imports TensorFlow.
"""

import contextlib

import numpy as np

from transfer.heads.choosing import selection, temperature
from transfer.heads.methods import tail as tail_
from transfer.nets import tails
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf

HEAD_RATE = 2  # of the dense layer, in rates of the tail
WEIGHT_DECAY, DROPOUT, SMOOTHING, LONGEST = 0.02, 0.4, 0.1, 5.0  # the last of a gradient
AVERAGED = 100  # steps: a running average forgets a step's weights by 1 / AVERAGED in each further
# Of the ridge head that the dense layer begins as.  To drop a share p of standardised features is a
# penalty of p / (1 - p) (Wager et al. 2013, "Dropout Training as Adaptive Regularization", for
# least squares): what the dense layer will be trained under.
STRENGTH = DROPOUT / (1 - DROPOUT)
FOLDS = 5  # of that head
FLOOR = 0.1  # of the mean standard deviation of features: a smaller one is divided by this instead


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
        found = selection.fit_kind(
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


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
