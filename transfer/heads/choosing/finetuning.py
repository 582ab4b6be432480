"""Fine-tunes the tail of a network on activations at its cut, in Keras.

The front stays as it is, so what it gives is computed once (transfer.packs.activations); `epochs`
draws what an epoch sees, `tuning` is what is trained.  Each epoch can be kept in a file, from which
a fit that was killed goes on.  Imports TensorFlow.
"""

import json
import math
import zipfile
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from transfer.errors import InputError
from transfer.heads.choosing import candidates, folds, temperature
from transfer.heads.choosing.epochs import Epochs
from transfer.heads.choosing.tuning import Tuning
from transfer.heads.fitted import Fitted
from transfer.heads.methods import weights as weights_
from transfer.writing import replacing

# The rate of the tail's weights: the more of what is held out the head that it begins as gets
# wrong, the further they have to go.  Where most is right, as large a rate as a tail from the
# middle of a network needs (near 1e-3 for signs) spoils it: of cifar10 5 points of accuracy.
RATE, LEAST_RATE = 1e-3, 1e-4
WARM_UP = 0.08  # of all steps
EPOCHS, STEPS, MOST = 10, 300, 50  # at least so many of the first two, and epochs at most
PATIENCE = 3  # epochs, clearly worse than the best, that end it
START = 5000  # rows, at most, by which the dense layer begins and features are standardised
HELD_OUT = 10  # of so many folds one is held out, to choose the epoch and the temperature by


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
    auto: by the accuracy of the head that it begins as; epochs: a number, or auto: EPOCHS, or more,
    at most MOST, where STEPS batches need more; place: a folder in which each epoch is kept until
    the fit has ended, so that a fit that was killed goes on there and ends in the same weights;
    told: what else decides the fit, plain values: a place of another fit is not gone on from;
    fresh: None, or what gives the views that an epoch sees instead of `views` (see
    features.fresh.Fresh).
    Raises InputError where activations or the loss are not finite, or there is one class alone.
    """
    dealt = folds.dealt(labels, groups, HELD_OUT, seed)
    held = np.flatnonzero(dealt.held == 0)
    rows = np.flatnonzero(dealt.held != 0)
    weights = weights_.of_classes(labels[rows], n_classes, class_weights).astype(np.float32)
    training = Epochs(views, labels, weights, batch_size, seed, fresh)
    looks = views[:plain]
    steps = math.ceil(len(rows) / batch_size)
    if epochs == "auto":
        epochs = min(MOST, max(EPOCHS, math.ceil(STEPS / steps)))
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    state, curves, chosen, begun = place and place / "state.npz", [], Chosen(), 0
    about = json.dumps([told, rate, epochs, batch_size, seed, class_weights], sort_keys=True)
    tuning = Tuning(tail, n_classes, seed)
    if state and state.is_file() and (found := restored(tuning, state, about)):
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
                measured, losses = _measured(tuning, looks, labels, held, validation)
                means |= measured
                curves.append(means)
                chosen = chosen.or_later(epoch, losses, units[held], tuning.values)
            shown.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
            if state:
                keep(tuning, state, about, epoch + 1, rate, curves, chosen)
    tuning.take(chosen.values)
    logits = tuning.logits(looks, held)
    t = temperature.fit(logits, labels[held])
    selection = {"rate": rate, "epoch": chosen.epoch + 1, "temperature": t} | dealt.about()
    if len(held):
        selection["fold_accuracy"] = curves[chosen.epoch]["held_acc"]
        selection["fold_log_loss"] = curves[chosen.epoch]["held_loss"]
        right = temperature.averaged(logits, t).argmax(axis=1) == labels[held]
        selection |= {"held_out": len(held), "held_out_trials": _trials(right, units[held])}
    else:
        selection["note"] = "no image can be held out, so the last epoch is kept as it is"
    names = list(curves[0])
    return Fitted(
        tuning.arrays(t), {name: np.array([c[name] for c in curves]) for name in names}, selection
    )


def _measured(tuning, looks, labels, held, validation):
    """({name: value} of the curves, losses of each of `held`); the rest as `fit` has it."""
    means, losses = {}, np.zeros(0)
    if len(held):
        losses, right = tuning.judged(looks, labels, held)
        means |= {"held_loss": float(losses.mean()), "held_acc": float(right.mean())}
    if validation is not None and len(validation[1]):
        (first, *_), known = validation
        loss, right = tuning.judged((first,), known, np.arange(len(known)))
        means |= {"val_loss": float(loss.mean()), "val_acc": float(right.mean())}
    return means, losses


def _trials(right, groups):
    """How many independent images tell as much as whether each of n is `right`, of `groups`: n by
    the design effect of their accuracy (Kish 1965, "Survey Sampling"), at least the groups."""
    _, group = np.unique(groups, return_inverse=True)
    n, count, p = len(right), int(group.max()) + 1, right.mean()
    sums = np.bincount(group, right - p)
    variance = count / max(1, count - 1) * np.square(sums).sum() / n**2
    if variance == 0:  # all are right, or all groups alike
        return count
    return int(np.clip(round(p * (1 - p) / variance), count, n))


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


def keep(tuning, path, about, epoch, rate, curves, chosen):
    """Writes all that `restored` needs to go on as if nothing had happened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"now": tuning.state(), "chosen": chosen.values}
    arrays = {f"{name}{i}": v for name, values in kept.items() for i, v in enumerate(values)}
    plain = {"about": about, "epoch": epoch, "rate": rate, "curves": json.dumps(curves)}
    with replacing(path, "wb") as file:
        np.savez(file, **plain, chosen=chosen.epoch, least=chosen.least, **arrays)


def restored(tuning, path, about):
    """(epoch, rate, curves, chosen) as `keep` was given them, with all else taken back; None
    where they are of another fit, or damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["about"]) != about:
                return None
            now = [kept[f"now{i}"] for i in range(len(tuning.state()))]
            values = [kept[f"chosen{i}"] for i in range(len(tuning.values()))]
            chosen = Chosen(int(kept["chosen"]), values, kept["least"])
            epoch, rate = int(kept["epoch"]), float(kept["rate"])
            curves = json.loads(str(kept["curves"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    tuning.go_back(now)
    return epoch, rate, curves, chosen
