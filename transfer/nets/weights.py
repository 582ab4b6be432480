"""Weight files, read into {layer name: [arrays]} in the file's own order."""

from pathlib import Path

import h5py
import numpy as np

from transfer.errors import InputError
from transfer.nets.caffe import reader as caffemodels
from transfer.pickles.reader import load_npy


def read(path):
    """Reads `.npy` (name -> [weights HWIO, biases]), Keras' `.h5` or Caffe's `.caffemodel`; arrays
    become float32.

    Raises InputError where the file is none of them, or holds anything else.
    """
    path = Path(path)
    readers = {".npy": _read_npy, ".h5": _read_h5, ".caffemodel": caffemodels.read}
    if path.suffix not in readers:
        raise InputError(f"{path.name}: weights are read from {', '.join(readers)} files")
    arrays = readers[path.suffix](path)
    return {n: [_float32(path, n, value) for value in values] for n, values in arrays.items()}


def check_count(path, card):
    """Raises InputError unless the file holds as many numbers as the network of `card`: a file of
    another network is told before anything is made of it."""
    count = sum(value.size for values in read(path).values() for value in values)
    if count != card.parameters:
        raise InputError(
            f"{Path(path).name} holds {count:,} parameters and {card.name} has "
            f"{card.parameters:,}: it is the weights of another network; correct the mirror, or "
            f"`weights` in the card"
        )


def _float32(path, name, value):
    if value.dtype.kind == "f":
        with np.errstate(over="ignore"):  # it is told below
            value = np.asarray(value, np.float32)
    if value.dtype != np.float32 or not np.isfinite(value).all():
        raise InputError(f"{path.name}: layer {name} holds more than finite floats")
    return value


def _read_npy(path):
    tree = load_npy(path)
    if isinstance(tree, np.ndarray) and tree.dtype == object and tree.ndim == 0:
        tree = tree.item()
    if not isinstance(tree, dict):
        raise InputError(f"{path.name} must hold a dict of name -> [weights, biases]")
    for name, values in tree.items():
        fits = isinstance(values, list | tuple) and all(isinstance(v, np.ndarray) for v in values)
        if not isinstance(name, str) or not fits:
            raise InputError(f"{path.name}: entry {name!r} must be a list of arrays")
    return tree


def _read_h5(path):
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" not in root.attrs:
                raise InputError(f"{path.name} is HDF5, but not a weights file of Keras")
            names = [_text(name) for name in root.attrs["layer_names"]]
            arrays = {
                name: [root[name][_text(w)][()] for w in root[name].attrs["weight_names"]]
                for name in names
            }
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"{path.name} can't be read as HDF5 ({fault})") from None
    return {name: values for name, values in arrays.items() if values}


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)
