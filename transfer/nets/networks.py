"""A card's network in Keras: built, filled with weights, pixel convention inside.

Importing this module imports Keras and TensorFlow; stages that don't convert a net never do.
"""

import os

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no greeting ...
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # building needs no GPU; it would be seized
_stderr, _null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_null, 2)  # ... and none of the lines that C++ prints before that setting is read
try:
    import keras
    import tensorflow
    from keras import ops
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_null)

from transfer.errors import InputError, unknown
from transfer.nets import alexnet, googlenet, mini, squeezenet

VERSIONS = {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

OWN = {
    "alexnet": alexnet.build,
    "alexnet_caffe": alexnet.build_caffe,
    "googlenet": googlenet.build,
    "mini": mini.build,
    "squeezenet": squeezenet.build,
}
DENSE = ("alexnet", "alexnet_caffe")  # whose dense layers fix the size of the input

# `keras.applications.NAME` in a card.  Those that normalise inside (EfficientNet, ConvNeXt ...)
# want pixels 0..255: mean 0, divisor 1.
APPLICATIONS = """
    ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge
    DenseNet121 DenseNet169 DenseNet201
    EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3
    EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7
    EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3
    EfficientNetV2L EfficientNetV2M EfficientNetV2S
    InceptionResNetV2 InceptionV3 MobileNet MobileNetV2 MobileNetV3Large MobileNetV3Small
    NASNetLarge NASNetMobile ResNet50 ResNet50V2 ResNet101 ResNet101V2 ResNet152 ResNet152V2
    VGG16 VGG19 Xception
""".split()


def build(card):
    """The network of `card` with unset weights: keras.Model from float32 [N, H, W, 3], already in
    the card's pixel convention, to its last layer; H and W are free, or the card's size where
    dense layers fix them.

    Raises InputError for an unknown builder and where the parameters are not as many as the card
    says.
    """
    module, _, application = card.builder.rpartition(".")
    side = card.size if card.include_top or card.builder in DENSE else None
    if card.builder in OWN:
        image = keras.Input((side, side, 3), name="image")
        model = keras.Model(image, OWN[card.builder](image), name=card.builder)
    elif module == "keras.applications" and application in APPLICATIONS:
        make = getattr(keras.applications, application)
        model = make(weights=None, include_top=card.include_top, input_shape=(side, side, 3))
    else:
        raise unknown(
            f"builder in the card of {card.name}",
            card.builder,
            [*OWN, *(f"keras.applications.{name}" for name in APPLICATIONS)],
        )
    if model.count_params() != card.parameters:
        raise InputError(
            f"{card.builder} has {model.count_params():,} parameters and the card of {card.name} "
            f"says {card.parameters:,}; correct `parameters` or `builder`"
        )
    return model


def load(model, arrays, where):
    """Fills `model` with {layer: [arrays]} of the file `where`; all of it, or InputError.

    Layers are matched by name.  Keras numbers its unnamed layers anew in each process
    (`conv2d_7`), so where names differ, equal shapes in equal order are a match too: that is how
    Keras itself reads such files.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    if set(layers) != set(arrays):
        wanted = [_shapes(layer.weights) for layer in layers.values()]
        if wanted != [_shapes(values) for values in arrays.values()]:
            raise InputError(_difference(layers, arrays, where, model.name))
        arrays = dict(zip(layers, arrays.values(), strict=True))
    for name, layer in layers.items():
        if _shapes(layer.weights) != _shapes(arrays[name]):
            raise InputError(
                f"{where} does not fit {model.name}: layer {name} needs "
                f"{_shapes(layer.weights)} and the file holds {_shapes(arrays[name])}"
            )
    for name, layer in layers.items():
        layer.set_weights(arrays[name])


def randomise(model, seed):
    """Fills `model` with filters drawn from `seed`: He normal kernels (He et al. 2015, equation
    10); no biases; batch norms as they are when new.

    Each filter of the first layer has its mean taken out, so that it answers to structure and not
    to brightness, as learned ones do (Krizhevsky et al. 2012, figure 3).  In deeper layers that
    would leave the small differences of large sums, which bfloat16 turns to noise: with all means
    out ResNet50's features agree with those of float32 to a cosine of .9969, with the first
    layer's alone to .99999.
    """
    rng = np.random.default_rng(seed)
    is_first = True
    for layer in model.layers:
        values = []
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if len(shape) < 2:
                values.append(np.full(shape, _START.get(variable.name, 0.0), np.float32))
                continue
            # Kernels are [..., in, out]; depthwise ones [h, w, channels, 1] see h x w inputs.
            depthwise = len(shape) == 4 and shape[-1] == 1
            axes = (0, 1) if depthwise else tuple(range(len(shape) - 1))
            fan_in = np.prod([shape[axis] for axis in axes])
            kernel = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
            if is_first:
                kernel -= kernel.mean(axis=axes, keepdims=True)
                is_first = False
            values.append(kernel.astype(np.float32))
        if values:
            layer.set_weights(values)


_START = {"gamma": 1.0, "moving_variance": 1.0, "variance": 1.0}


def with_pixels(model, card):
    """keras.Model from uint8 RGB [N, H, W, 3] to the card's layers, unpooled, as a list; H and W
    are free where they are in `model`."""
    try:
        outputs = [model.get_layer(name).output for name in card.layers]
    except ValueError:
        names = [layer.name for layer in model.layers]
        name = next(name for name in card.layers if name not in names)
        raise unknown(f"layer in the card of {card.name}", name, names) from None
    image = keras.Input(model.input.shape[1:], dtype="uint8", name="image")
    x = ops.cast(image, "float32")
    if card.pixels.order == "BGR":
        x = ops.flip(x, axis=-1)
    x = (x - np.array(card.pixels.mean, np.float32)) / np.float32(card.pixels.divisor)
    return keras.Model(image, keras.Model(model.input, outputs)(x), name=card.name)


def _shapes(values):
    return [tuple(value.shape) for value in values]


def _difference(layers, arrays, where, network):
    """The sentence that names what each side lacks."""

    def some(names):
        return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

    missing = [name for name in layers if name not in arrays]
    surplus = [name for name in arrays if name not in layers]
    return (
        f"{where} does not fit {network}: the network has {len(layers)} layers with weights, the "
        f"file {len(arrays)}; not in the file: {some(missing) or 'none'}; "
        f"not in the network: {some(surplus) or 'none'}"
    )
