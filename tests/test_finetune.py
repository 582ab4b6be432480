"""Fine-tuning: the tail of a network as a head, from activations at a cut."""

import dataclasses
import hashlib
import math

import numpy as np
import pytest

from tests.imports import ROOT
from tests.test_cuts import card_of
from transfer.errors import InputError
from transfer.heads import kinds, options, trained
from transfer.heads.choosing import finetuning
from transfer.heads.methods import tail as tail_
from transfer.nets import conversion, networks, tails

keras = networks.keras
EACH, CLASSES = 12, 3


def network_of(net, monkeypatch):
    """The net, randomised, batch norms too, which `tails.build` then divides."""
    model = networks.build(card_of(net))
    networks.randomise(model, 3)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [
                rng.uniform(0.5, 1.5, v.shape).astype(np.float32) for v in layer.get_weights()
            ]
            layer.set_weights(values)
    monkeypatch.setattr(conversion, "filled", lambda card, folder: (model, {}))
    return model


def between(model, cut, upto, size=96):
    """(activations at `cut`, what the network gives at `upto`) of two random images."""
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    return [
        keras.Model(model.input, model.get_layer(name).output)(images).numpy()
        for name in (cut, upto)
    ]


# Tails


@pytest.mark.parametrize("net", ["mini", "inception", "resnet", "googlenet", "squeezenet"])
def test_a_tail_gives_what_the_network_gives(net, monkeypatch):
    model, card = network_of(net, monkeypatch), card_of(net)
    cut = list(card.cuts)[-1]
    upto = card.cuts[cut].upto
    at, end = between(model, cut, upto)
    names = [layer.name for layer in model.layers]
    after = [name for name in card.multi if names.index(cut) <= names.index(name)]
    joined = [between(model, cut, name)[1] for name in after if name != upto]
    expected = np.concatenate([x.mean((1, 2), keepdims=True) for x in (*joined, end)], axis=-1)
    tail = tails.build(card, None, cut, upto, at.shape[1:])
    scale = np.abs(expected).max()
    assert np.abs(tail(at).numpy() - expected).max() < 1e-5 * scale
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in tail.layers)
    plain = tails.plain(tail)
    assert np.abs(plain(at).numpy() - expected).max() < 1e-5 * scale
    other = tails.build(card, None, cut, upto, at.shape[1:])
    other.set_weights([np.zeros_like(value) for value in other.get_weights()])
    tails.take(other, tails.converted(tail))
    assert np.abs(other(at).numpy() - expected).max() < 1e-5 * scale


def small(conv):
    """A network whose batch norm follows `conv(x)`, and where a second one stands alone."""
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="cut")(image)
    x = conv(x)
    x = layers.BatchNormalization(name="norm", scale=False)(x)
    x = layers.ReLU()(x)
    x = layers.BatchNormalization(name="alone")(x)
    return keras.Model(image, layers.ReLU(name="end")(x))


@pytest.mark.parametrize(
    "conv",
    [
        keras.layers.DepthwiseConv2D(3, name="conv", use_bias=False),
        keras.layers.DepthwiseConv2D(3, name="conv", depth_multiplier=2),
        keras.layers.Conv2D(6, 3, name="conv"),
        keras.layers.Conv2D(6, 3, name="conv", activation="relu"),
        keras.layers.SeparableConv2D(6, 3, name="conv"),
        lambda x: keras.layers.Add()([keras.layers.Conv2D(4, 1, name="conv")(x), x]),
    ],
    ids=["depthwise", "multiplied", "biased", "activated", "separable", "added"],
)
def test_batch_norms_are_folded_where_they_can_be(conv, monkeypatch):
    model = small(conv)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.2, 1, v.shape) for v in layer.get_weights()])
    monkeypatch.setattr(conversion, "filled", lambda card, folder: (model, {}))
    at, expected = between(model, "cut", "end", 8)
    expected = expected.mean((1, 2), keepdims=True)
    tail = tails.build(card_of("mini"), None, "cut", "end", at.shape[1:])
    np.testing.assert_allclose(tail(at).numpy(), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tails.plain(tail)(at).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_where_a_network_can_not_be_divided(monkeypatch):
    network_of("mini", monkeypatch)
    build = tails.build
    with pytest.raises(InputError, match="unknown layer of mini 'blok4'"):
        build(card_of("mini"), None, "block1", "blok4", (24, 24, 64))
    with pytest.raises(InputError, match=r"does not lead through block3; choose another head.upto"):
        build(card_of("mini"), None, "block3", "block1", (6, 6, 160))
    with pytest.raises(InputError, match="does not lead through block3_conv1_k"):
        build(card_of("mini"), None, "block3_conv1_kernel", "block4", (6, 6, 160))
    with pytest.raises(InputError, match="between block3 and block3 of mini there is nothing"):
        build(card_of("mini"), None, "block3", "block3", (6, 6, 160))


# The fit


def tail_of():
    """A tail of two convolutions from [6, 6, 4]."""
    x = image = keras.Input((6, 6, 4))
    for number in range(2):
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=f"c{number}")(x)
    model = keras.Model(image, x)
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(size=v.shape) * 0.3 for v in model.get_weights()])
    return model


def data(seed=0, each=EACH):
    """(views, labels): activations [N, 6, 6, 4] in which a class is a direction between neighbours,
    and noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(each * CLASSES) % CLASSES
    values = rng.normal(size=(2, len(labels), 6, 6, 4)) * 0.3
    for label in range(CLASSES):
        values[:, labels == label, label : label + 3, :, label] += 1.5
    return tuple(values.astype(np.float16)), labels


SETTINGS = {
    "rate": "auto",
    "epochs": 4,
    "batch_size": 8,
    "seed": 1,
    "class_weights": "none",
    "bar": False,
}


def fitted(**given):
    views, labels = data()
    given = SETTINGS | {"validation": (data(1)[0][:1], data(1)[1])} | given
    return finetuning.fit(tail_of(), views, labels, CLASSES, **given)


def digest(arrays):
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def test_a_fit_learns_and_is_the_same_bytes_again():
    found = fitted(epochs=12)
    assert set(found.curves) == {"loss", "held_loss", "held_acc", "val_loss", "val_acc"}
    assert found.curves["loss"][-1] < found.curves["loss"][0]
    assert found.curves["val_acc"][-1] > 0.8
    views, labels = data(1)
    p = tail_.probabilities(found.arrays, views[0].reshape(len(labels), -1))
    assert p.shape == (len(labels), CLASSES)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    chosen = found.selection["epoch"] - 1
    assert (p.argmax(axis=1) == labels).mean() == pytest.approx(found.curves["val_acc"][chosen])
    assert chosen >= np.argmin(found.curves["held_loss"])
    assert found.selection["held_out"] in {3, 4}  # of 36, a tenth
    assert found.selection["held_out_trials"] == found.selection["held_out"]
    again = fitted(epochs=12)
    assert digest(again.arrays) == digest(found.arrays)
    assert {name: curve.tolist() for name, curve in again.curves.items()} == {
        name: curve.tolist() for name, curve in found.curves.items()
    }


def test_validation_has_no_say_and_settings_have():
    first = digest(fitted().arrays)
    views, labels = data(2)
    assert digest(fitted(validation=(views[:1], (labels + 1) % CLASSES)).arrays) == first
    assert digest(fitted(validation=None).arrays) == first
    for changed in ({"seed": 2}, {"epochs": 5}, {"batch_size": 4}, {"rate": 0.1}):
        assert digest(fitted(**changed).arrays) != first


def killed_after_two_epochs(monkeypatch, **given):
    """Runs `fitted`, which is killed once it has kept its second epoch."""
    keep = finetuning.keep

    def killed(tuning, path, about, epoch, *rest):
        keep(tuning, path, about, epoch, *rest)
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(finetuning, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            fitted(**given)


def test_a_fit_that_was_killed_goes_on_and_ends_in_the_same_bytes(tmp_path, monkeypatch):
    whole = fitted()
    killed_after_two_epochs(monkeypatch, place=tmp_path, told="one")
    steps, step = [], finetuning.Tuning.step
    monkeypatch.setattr(
        finetuning.Tuning, "step", lambda self, *given: steps.append(1) or step(self, *given)
    )
    again = fitted(place=tmp_path, told="one")
    assert len(steps) < 4 * EACH * CLASSES / 8 * 0.6, "two epochs alone"
    assert digest(again.arrays) == digest(whole.arrays)
    assert again.curves["loss"].tolist() == whole.curves["loss"].tolist()
    steps.clear()
    (tmp_path / "state.npz").write_bytes((tmp_path / "state.npz").read_bytes()[:-100])
    assert digest(fitted(place=tmp_path, told="one").arrays) == digest(whole.arrays)
    assert len(steps) > 4 * EACH * CLASSES / 8 * 0.7, "what is kept is damaged"
    steps.clear()
    other = fitted(place=tmp_path, told="another")
    assert len(steps) > 4 * EACH * CLASSES / 8 * 0.7, "what is kept is of another fit"
    assert digest(other.arrays) == digest(whole.arrays)


class Drawn:
    """In place of features.fresh.Fresh: of an image its first view, with noise by the number."""

    views = 1

    def __init__(self):
        self.numbers = []

    def stream(self, number, wanted):
        self.numbers.append(number)
        views, _ = data()
        noise = np.random.default_rng(number).normal(size=views[0].shape) * 0.1
        for rows, seen in wanted:
            assert not seen.any()
            yield (views[0][rows] + noise[rows]).astype(np.float16).reshape(len(rows), -1)


def test_views_that_are_drawn_in_each_epoch(tmp_path, monkeypatch):
    drawn = Drawn()
    found = fitted(fresh=drawn)
    assert drawn.numbers == [1, 2, 3, 4]
    assert digest(found.arrays) == digest(fitted(fresh=Drawn()).arrays) != digest(fitted().arrays)
    killed_after_two_epochs(monkeypatch, place=tmp_path, fresh=Drawn())
    drawn = Drawn()
    again = fitted(place=tmp_path, fresh=drawn)
    assert drawn.numbers == [3, 4]
    assert digest(again.arrays) == digest(found.arrays)


def test_a_fault_of_what_is_drawn_is_told():
    class Failing(Drawn):
        def stream(self, number, wanted):
            yield from list(super().stream(number, wanted))[:2]
            raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        fitted(fresh=Failing())


@pytest.mark.parametrize(
    ("losses", "epochs", "chosen"),
    [
        ([3.0, 2.0, 2.5, 2.6, 2.7, 1.0], 5, 2),  # three that are clearly worse end it
        ([3.0, 2.0, 2.5, 2.6, 2.0, 1.0], 6, 6),
        ([3.0, 2.0, 2.05, 2.04, 2.03, 2.02], 6, 6),  # as good: the last is taken
    ],
)
def test_the_last_epoch_that_is_not_clearly_worse_is_taken(losses, epochs, chosen, monkeypatch):
    given = iter(losses)
    rng = np.random.default_rng(0)

    def judged(self, views, labels, rows):
        noise = rng.normal(size=len(rows)) * 0.2
        return next(given) + noise - noise.mean(), np.ones(len(rows), bool)

    monkeypatch.setattr(finetuning.Tuning, "judged", judged)
    found = fitted(epochs=6, validation=None)
    assert len(found.curves["held_loss"]) == epochs
    assert found.selection["epoch"] == chosen
    assert found.selection["fold_log_loss"] == found.curves["held_loss"][chosen - 1]


def test_the_number_of_epochs_by_that_of_images(monkeypatch):
    monkeypatch.setattr(finetuning, "STEPS", 12)
    monkeypatch.setattr(finetuning, "EPOCHS", 2)
    monkeypatch.setattr(finetuning, "PATIENCE", 12)
    assert len(fitted(epochs="auto", batch_size=EACH * CLASSES).curves["loss"]) == 12
    assert len(fitted(epochs="auto", batch_size=1).curves["loss"]) == 2
    monkeypatch.setattr(finetuning, "MOST", 5)
    assert len(fitted(epochs="auto", batch_size=EACH * CLASSES).curves["loss"]) == 5


def test_where_nothing_can_be_held_out_the_last_epoch_is_taken():
    views, labels = data(each=1)
    found = finetuning.fit(tail_of(), views, labels, CLASSES, **SETTINGS)
    assert set(found.curves) == {"loss"}
    assert (found.selection["epoch"], found.selection["temperature"]) == (4, 1.0)
    assert found.selection["classes_never_held_out"] == CLASSES
    assert "no image can be held out" in found.selection["note"]
    assert "held_out" not in found.selection


def test_activations_that_are_not_finite_are_told():
    views, labels = data()
    views[0][3] = np.inf
    with pytest.raises(InputError, match="the loss stopped being a finite number in epoch "):
        finetuning.fit(tail_of(), views, labels, CLASSES, **SETTINGS)


def test_a_loss_that_is_not_finite_is_told(monkeypatch):
    monkeypatch.setattr(finetuning.Tuning, "step", lambda *_: math.nan)
    with pytest.raises(InputError, match="the loss stopped being a finite number in epoch 1"):
        fitted()


@pytest.mark.parametrize(("right", "rate"), [(0.99, 1e-4), (0.8, 2e-4), (0.4, 6e-4), (0.0, 1e-3)])
def test_the_rate_goes_by_what_the_start_gets_wrong(right, rate, monkeypatch):
    start = finetuning.Tuning.start
    monkeypatch.setattr(finetuning.Tuning, "start", lambda *given: (start(*given), right)[1])
    assert fitted(epochs=1).selection["rate"] == pytest.approx(rate)
    assert fitted(epochs=1, rate=0.005).selection["rate"] == 0.005


def test_a_fit_begins_as_a_ridge_head(monkeypatch):
    views, labels = data()
    tuning = finetuning.Tuning(tail_of(), CLASSES, 1)
    every = np.arange(len(labels))
    right = tuning.start(views[0], every, labels, every, "none", 1)
    losses, seen = tuning.judged(views[:1], labels, every)
    assert seen.mean() >= right > 0.6
    assert losses.mean() < 0.8 * math.log(CLASSES)


@pytest.mark.parametrize(
    ("right", "groups", "trials"),
    [
        ([1, 0, 1, 0, 1, 1], [0, 1, 2, 3, 4, 5], 6),  # each is alone
        ([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], 2),  # groups are right or wrong as a whole
        ([1, 0, 1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2, 3, 3], 4),  # groups all alike
        ([1, 1, 1, 1], [0, 0, 1, 1], 2),  # nothing is wrong
        ([1, 1, 1, 0, 1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 10),
        ([1, 1, 1], [0, 0, 0], 1),
    ],
)
def test_how_many_independent_images_those_of_groups_are(right, groups, trials):
    assert finetuning._trials(np.array(right, bool), np.array(groups)) == trials


def test_rates():
    rates = [finetuning._rate(step, 100) for step in range(101)]
    assert rates[:8] == sorted(rates[:8])
    assert max(rates) == 1
    assert rates[8:] == sorted(rates[8:], reverse=True)
    assert rates[100] == pytest.approx(0)


# The head


def head_of(arrays, **changes):
    about = {"kind": "finetune", "net": "n", "dataset": "d", "recipe": {}}
    return trained.Head(arrays=arrays, classes=["a", "b", "c"], **about | changes)


def test_the_head_and_its_file(tmp_path):
    found = fitted()
    head_of(found.arrays).save(tmp_path / "head.npz")
    head = trained.load(tmp_path / "head.npz")
    views, labels = data(1)
    flat = views[0].reshape(len(labels), -1)
    p = head.probabilities((flat,))
    np.testing.assert_array_equal(p, tail_.probabilities(found.arrays, flat))
    np.testing.assert_array_equal(head.probabilities((flat[:5],)), p[:5])
    features = head.embedded(flat)
    assert features.shape == (len(labels), 8)
    dense = dataclasses.replace(head, kind="softmax", arrays=tail_.dense(head.arrays))
    np.testing.assert_allclose(dense.probabilities((features,)), p, rtol=1e-6)
    with pytest.raises(InputError, match="takes 144 features an image; received 143"):
        head.probabilities((flat[:, 1:],))
    for damaged, fault in (
        ({"network": np.zeros(9, np.uint8)}, "its tail is no network"),
        ({"kernel": found.arrays["kernel"][1:]}, "don't fit its tail, which gives 8 features"),
    ):
        head_of(found.arrays | damaged).save(tmp_path / "bad.npz")
        with pytest.raises(InputError, match=fault):
            trained.load(tmp_path / "bad.npz")
    head_of({"kernel": found.arrays["kernel"]}).save(tmp_path / "bad.npz")
    with pytest.raises(InputError, match="must hold the arrays network, constants, kernel, bias"):
        trained.load(tmp_path / "bad.npz")


def test_pooled_features_are_not_fine_tuned():
    given = dict.fromkeys(options.OPTIONS["finetune"], "auto")
    with pytest.raises(InputError, match=r"set extract.cut: auto"):
        kinds.fit("finetune", (np.zeros((4, 2)),), np.arange(4) % 2, 2, given)


def test_auto_means_what_each_kind_takes():
    every = {name: "auto" for names in options.OPTIONS.values() for name in names}
    assert options.given("softmax", every)["epochs"] == 50
    assert options.given("mlp", every | {"epochs": 7})["epochs"] == 7
    assert options.given("ridge", every)["strength"] == "auto"
    tuned = options.given("finetune", every)
    assert (tuned["batch_size"], tuned["epochs"], tuned["rate"]) == (32, "auto", "auto")
    assert (ROOT / "params.yaml").read_text().count("epochs: auto") == 1
