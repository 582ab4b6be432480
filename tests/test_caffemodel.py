"""`.caffemodel` files: what another writer wrote is read alike, and hostile bytes are told."""

import dataclasses
import re
import time

import numpy as np
import pytest

from tests import caffe
from tests.tracing import peak
from transfer.errors import InputError
from transfer.nets import cards, googlenet, networks, weights

FORMS = {
    "layer": {},
    "layer, legacy shapes": {"legacy": True},
    "layers of 2014": {"v1": True, "legacy": True},
}


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def small():
    """Two groups in conv2, a map of 4 channels and 2x3 pixels before fc6; arrays in our order."""
    return {
        "conv1": [normal(3, 3, 3, 4), normal(4)],
        "conv2": [normal(2, 2, 2, 4), normal(4)],
        "fc6": [normal(24, 5), normal(5)],
        "fc7": [normal(5, 2), normal(2)],
    }


def in_caffe(arrays):
    """The layers of `small` as Caffe saves them after training, in place, split and with a loss."""
    conv1, conv2, fc6, fc7 = arrays.values()
    return [
        ("data", "Data", [], ["data", "label"], []),
        ("conv1", "Convolution", ["data"], ["conv1"], [caffe.caffes(conv1[0]), conv1[1]]),
        ("relu1", "ReLU", ["conv1"], ["conv1"], []),
        ("conv2", "Convolution", ["conv1"], ["conv2"], [caffe.caffes(conv2[0]), conv2[1]]),
        ("pool", "Pooling", ["conv2"], ["pool"], []),
        ("fc6", "InnerProduct", ["pool"], ["fc6"], [caffe.caffes(fc6[0], 4), fc6[1]]),
        ("relu6", "ReLU", ["fc6"], ["fc6"], []),
        ("drop6", "Dropout", ["fc6"], ["fc6"], []),
        ("fc7", "InnerProduct", ["fc6"], ["fc7"], [caffe.caffes(fc7[0], 5), fc7[1]]),
        ("loss", "SoftmaxWithLoss", ["fc7", "label"], ["loss"], []),
    ]


def written(folder, layers, **form):
    path = folder / "w.caffemodel"
    path.write_bytes(caffe.net(layers, **form).SerializeToString())
    return path


def assert_equal(read, expected):
    assert list(read) == list(expected)
    for name, values in expected.items():
        assert len(read[name]) == len(values)
        for ours, theirs in zip(read[name], values, strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_arrays_in_our_order(tmp_path, form):
    path = written(tmp_path, in_caffe(small()), **FORMS[form])
    assert_equal(weights.read(path), small())


def test_doubles_unpacked_floats_missing_biases_and_gradients(tmp_path):
    kernel = normal(1, 1, 3, 2)
    blob = caffe.caffes(kernel)
    made = caffe.net([("a", "Convolution", ["x"], ["a"], [blob.astype(np.float64)])], inputs=["x"])
    path = tmp_path / "w.caffemodel"
    path.write_bytes(made.SerializeToString())
    assert_equal(weights.read(path), {"a": [kernel]})
    made.layer[0].blobs[0].ClearField("double_data")
    made.layer[0].blobs[0].diff.extend(np.ones(6))
    unpacked = b"".join(b"\x2d" + value.tobytes() for value in blob.reshape(-1))
    blob_bytes = made.layer[0].blobs[0].SerializeToString() + unpacked
    made.layer[0].ClearField("blobs")
    layer = made.layer[0].SerializeToString() + b"\x3a" + bytes([len(blob_bytes)]) + blob_bytes
    path.write_bytes(b"\x1a\x01x" + b"\xa2\x06" + bytes([len(layer)]) + layer)
    assert_equal(weights.read(path), {"a": [kernel]})


def test_auxiliary_classifiers_are_left_out_and_channels_pass_a_concat(tmp_path):
    a, b, aux, last = normal(1, 1, 3, 2), normal(1, 1, 3, 4), normal(2, 3), normal(24, 3)
    layers = [
        ("data", "Data", [], ["data"], []),
        ("split", "Split", ["data"], ["data_0", "data_1"], []),
        ("mix/1x1", "Convolution", ["data_0"], ["mix/1x1"], [caffe.caffes(a)]),
        ("loss1/classifier", "InnerProduct", ["mix/1x1"], ["loss1"], [caffe.caffes(aux, 2)]),
        ("mix/3x3", "Convolution", ["data_1"], ["mix/3x3"], [caffe.caffes(b)]),
        ("mix/output", "Concat", ["mix/1x1", "mix/3x3"], ["mix/output"], []),
        ("loss3/classifier", "InnerProduct", ["mix/output"], ["loss3"], [caffe.caffes(last, 6)]),
    ]
    expected = {"mix_1x1": [a], "mix_3x3": [b], "loss3_classifier": [last]}
    path = written(tmp_path, layers)
    assert_equal(weights.read(path), expected)
    card = cards.load(cards.CARDS / "mini.yaml")
    weights.check_count(path, dataclasses.replace(card, parameters=6 + 12 + 72))
    with pytest.raises(InputError, match=r"w.caffemodel holds 90 parameters and mini has"):
        weights.check_count(path, card)
    made = caffe.net(layers)
    made.layer[5].concat_param.axis = 2
    (tmp_path / "w.caffemodel").write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match=r"loss3/classifier takes 24 values of unknown channels"):
        weights.read(tmp_path / "w.caffemodel")


def test_a_whole_alexnet_is_the_same_from_either_file(tmp_path):
    card = cards.load(cards.CARDS / "alexnet.yaml")
    model = networks.build(card)
    rng = np.random.default_rng(0)
    arrays = {
        layer.name: [rng.random(w.shape, np.float32) for w in layer.weights]
        for layer in model.layers
        if layer.weights
    }
    layers = [("data", "Data", [], ["data"], [])]
    for name, (kernel, biases) in arrays.items():
        kind, turned = "Convolution", kernel.transpose(*range(kernel.ndim)[::-1])  # OIWH, [out, in]
        if kernel.ndim == 4:
            turned = turned.swapaxes(2, 3)
        else:
            kind = "InnerProduct"
            if name == "fc6":  # of 256 maps of 6x6
                turned = kernel.reshape(36, 256, 4096).T.reshape(4096, 9216)
        layers.append((name, kind, [layers[-1][3][0]], [name], [turned, biases]))
        layers.append((f"relu_{name}", "ReLU", [name], [name], []))
    path = written(tmp_path, layers, v1=True, legacy=True)
    np.save(tmp_path / "w.npy", arrays, allow_pickle=True)
    for file in (path, tmp_path / "w.npy"):
        networks.load(model, weights.read(file), file.name)
        for name, values in arrays.items():
            for ours, theirs in zip(model.get_layer(name).get_weights(), values, strict=True):
                assert np.array_equal(ours, theirs)
        file.unlink()  # 244 MB


def test_googlenet_with_the_two_classifiers_of_its_training(tmp_path, mirror):
    """The mirror's real weights in a file as training leaves it: 6,998,552 parameters come back."""
    arrays = weights.read(mirror / "bvlc_googlenet.npy")
    made = []

    def layer(name, kind, bottoms, top):
        blobs = []
        if kind in ("Convolution", "InnerProduct"):
            kernel, biases = arrays.get(name.replace("/", "_"), (normal(128, 10), normal(10)))
            turned = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
            blobs = [turned, biases]
        made.append((name, kind, bottoms, [top], blobs))
        return top

    made.append(("data", "Data", [], ["data", "label"], []))
    x = layer("conv1/7x7_s2", "Convolution", ["data"], "conv1/7x7_s2")
    for name in ("conv2/3x3_reduce", "conv2/3x3"):
        x = layer(name, "Convolution", [x], name)
    for number, block in enumerate(googlenet.INCEPTIONS):
        name = f"inception_{block}"
        ends = [layer(f"{name}/1x1", "Convolution", [x], f"{name}/1x1")]
        for size in ("3x3", "5x5"):
            reduced = layer(f"{name}/{size}_reduce", "Convolution", [x], f"{name}/{size}_reduce")
            ends.append(layer(f"{name}/{size}", "Convolution", [reduced], f"{name}/{size}"))
        pool = layer(f"{name}/pool", "Pooling", [x], f"{name}/pool")
        ends.append(layer(f"{name}/pool_proj", "Convolution", [pool], f"{name}/pool_proj"))
        x = layer(f"{name}/output", "Concat", ends, f"{name}/output")
        if block in ("4a", "4d"):
            loss = f"loss{number // 3}"
            pool = layer(f"{loss}/ave_pool", "Pooling", [x], f"{loss}/ave_pool")
            made.append((f"{loss}/conv", "Convolution", [pool], [f"{loss}/conv"], [normal(128, 4)]))
            made[-1][4][0] = normal(128, 512, 1, 1)
            layer(f"{loss}/classifier", "InnerProduct", [f"{loss}/conv"], f"{loss}/classifier")
            made.append((f"{loss}/loss", "SoftmaxWithLoss", [f"{loss}/classifier"], [loss], []))
    pool = layer("pool5/7x7_s1", "Pooling", [x], "pool5/7x7_s1")
    layer("loss3/classifier", "InnerProduct", [pool], "loss3/classifier")
    path = written(tmp_path, made, v1=True, legacy=True)
    read = weights.read(path)
    assert set(read) == set(arrays)
    for name, values in arrays.items():
        for ours, theirs in zip(read[name], values, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    weights.check_count(path, cards.load(cards.CARDS / "googlenet.yaml"))


def changed(field, value, of="blobs"):
    """A hand on the first convolution: sets `field` of its blob, or of the layer itself."""

    def change(net):
        owner = net.layer[1].blobs[0] if of == "blobs" else net.layer[1]
        if isinstance(value, list):
            owner.ClearField(field)
            getattr(owner, field).extend(value)
        else:
            setattr(owner, field, value)

    return change


def shaped(*shape):
    def change(net):
        net.layer[1].blobs[0].shape.ClearField("dim")
        net.layer[1].blobs[0].shape.dim.extend(shape)

    return change


FAULTS = {
    "negative": (shaped(4, 3, -3, -3), r"layer conv1 says the shape \(4, 3, \d+, \d+\) and holds"),
    "absurd": (shaped(2**62, 2**62), r"layer conv1 says the shape .* and holds 432 bytes"),
    "none": (shaped(), r"layer conv1 says the shape \(\) and holds 432 bytes"),
    "zero": (shaped(0, 3, 3, 3), r"layer conv1 says the shape \(0, 3, 3, 3\)"),
    "flat": (shaped(108), r"layer conv1 is a convolution with weights of shape \(108,\)"),
    "many dimensions": (shaped(*[1] * 40), r"a blob has 40 dimensions"),
    "less data": (changed("data", [1.0] * 5), r"says the shape \(4, 3, 3, 3\) and holds 20 bytes"),
    "both widths": (changed("double_data", [1.0]), r"a blob's numbers are not floats alone"),
    "biases": (
        lambda net: net.layer[1].blobs[1].CopyFrom(net.layer[5].blobs[1]),
        r"layer conv1 of 4 outputs has biases \(5,\)",
    ),
    "kind": (changed("type", "BatchNorm", "layer"), r"layer conv1 of kind BatchNorm has 2 arrays"),
    "cycle": (
        changed("bottom", ["fc6"], "layer"),
        r"conv1 reads 'fc6', which none before it",
    ),
    "given twice": (
        changed("top", ["label"], "layer"),
        r"layer conv1 gives 'label', which one before it gives",
    ),
    "same names": (changed("name", "fc7", "layer"), r"two of its layers have the name 'fc7'"),
    "long name": (changed("name", "x" * 1000, "layer"), r"a layer's name is 1,000 bytes long"),
    "transposed": (
        lambda net: setattr(net.layer[5].inner_product_param, "transpose", True),
        r"layer fc6 is transposed",
    ),
    "not over maps": (
        lambda net: net.layer[5].blobs[0].shape.dim.__setitem__(slice(0, 2), [8, 15]),
        r"dense layer fc6 takes 15 values of 4 channels",
    ),
    "no layers": (lambda net: net.ClearField("layer"), r"it holds no layers"),
    "no weights": (
        lambda net: [layer.ClearField("blobs") for layer in net.layer],
        r"no layer of it has weights",
    ),
    "not finite": (
        lambda net: net.layer[1].blobs[0].data.__setitem__(3, float("nan")),
        r"layer conv1 holds more than finite floats",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_sentence(tmp_path, fault):
    change, sentence = FAULTS[fault]
    made = caffe.net(in_caffe(small()))
    change(made)
    (tmp_path / "w.caffemodel").write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match=sentence) as told:
        weights.read(tmp_path / "w.caffemodel")
    assert str(told.value).startswith("w.caffemodel")
    assert "\n" not in str(told.value)


def told(path):
    """The sentence of the fault of the file `path`, or "" where it is read."""
    try:
        weights.read(path)
    except InputError as fault:
        return str(fault)
    return ""


def test_a_file_cut_anywhere_is_told(tmp_path):
    whole = caffe.net(in_caffe(small())).SerializeToString()
    path = tmp_path / "w.caffemodel"
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        sentence = told(path)
        # Cut between two layers the rest is a whole message: its parameters are too few.
        assert sentence.startswith("w.caffemodel can't be read") or len(weights.read(path)) < 4


def test_bytes_turned_over_never_do_more_than_a_sentence(tmp_path):
    whole = np.frombuffer(caffe.net(in_caffe(small()), v1=True).SerializeToString(), np.uint8)
    path = tmp_path / "w.caffemodel"
    rng = np.random.default_rng(0)
    for _ in range(1000):
        hurt = whole.copy()
        places = rng.integers(0, len(hurt), 3)
        hurt[places] = rng.integers(0, 256, 3)
        path.write_bytes(hurt.tobytes())
        assert told(path).isprintable()


HOSTILE = {
    "nothing": (b"", r"it is empty"),
    "text": (b'name: "AlexNet"', r"field 13 has the wire type 6"),
    "a picture": (b"\x89PNG\r\n\x1a\n", r"field 1281 is 8 bytes long where 6 are left"),
    "a huge length": (
        b"\xa2\x06" + caffe.varint(1 << 40),
        r"is 1,099,511,627,776 bytes long",
    ),
    "an endless number": (b"\x08" + b"\xff" * 20, r"a number of more than 10 bytes"),
    "half a number": (b"\x08\xff", r"it ends inside a number"),
    "field 0": (b"\x00\x01", r"a field numbered 0"),
    "a group": (b"\x0b\x0c", r"field 1 has the wire type 3"),
    "a layer that is a number": (b"\xa0\x06\x01", r"a layer has the wire type 0 instead of 2"),
    "a name that is no text": (b"\xa2\x06\x03\x0a\x01\xff", r"a layer's name is not plain text"),
    "of 2013": (b"\x12\x02\x0a\x00", r"a form older than 2014's"),
    "a bomb of fields": (b"\x08\x01" * 5_000_000, r"more fields than any such file needs"),
    "a bomb of layers": (b"\xa2\x06\x00" * 3_000_000, r"more fields than any such file needs"),
    "a bomb of dimensions": (
        caffe.field(100, caffe.field(7, caffe.field(7, caffe.field(1, b"\x01" * 4_000_000)))),
        r"more fields than any such file needs",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_bytes_cost_neither_time_nor_memory(tmp_path, what):
    content, expected = HOSTILE[what]
    path = tmp_path / "w.caffemodel"
    path.write_bytes(content)
    begun = time.process_time()
    sentence = told(path)
    assert time.process_time() - begun < 1
    assert re.match(f"w.caffemodel can't be read as a Caffe model: .*{expected}", sentence)
    assert peak(lambda: told(path)) < 50e6


@pytest.mark.parametrize("of", ["tops", "bottoms", "layers"])
def test_many_names_do_not_multiply(tmp_path, of):
    """15,000 names, or layers, in one file: no step may be quadratic in them."""
    many = [f"b{i}" for i in range(15_000)]
    layers = [("data", "Data", [], many, [])]
    if of == "bottoms":
        layers.append(("sum", "Eltwise", many, many, []))
    if of == "layers":
        many = many[:8_000]
        layers = [("data", "Data", [], ["data"], [])]
        layers += [(f"l{i}", "ReLU", ["data"], [name], []) for i, name in enumerate(many)]
    layers.append(("a", "Convolution", many[:1], ["a"], [normal(2, 3, 1, 1)]))
    path = written(tmp_path, layers)
    begun = time.process_time()
    assert list(weights.read(path)) == ["a"]
    assert time.process_time() - begun < 2
