"""Writes what was trained as the repository keeps it: exported/mini.h5, in Keras' file layout,
float16, compressed without loss, and exported/mini.json, what it is.

`make pretrain` copies both into models/.  The same arrays give the same bytes.
"""

import hashlib

import h5py
import numpy as np

from pretrain import resuming
from pretrain.places import EXPORTED, TRAINED
from transfer import errors
from transfer.writing import write_json

NAME = "mini.h5"
VARIABLES = {1: ("kernel",), 4: ("gamma", "beta", "moving_mean", "moving_variance")}


def main():
    arrays = {}
    with np.load(TRAINED) as trained:
        for key in trained.files:
            layer, number = key.rsplit("/", 1)
            arrays.setdefault(layer, {})[int(number)] = trained[key]
    EXPORTED.mkdir(exist_ok=True)
    path = EXPORTED / NAME
    write(path, arrays)
    data = path.read_bytes()
    about = {
        "file": NAME,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "parameters": int(sum(v.size for layer in arrays.values() for v in layer.values())),
    }
    write_json(EXPORTED / "mini.json", about)
    resuming.forget()
    print(f"export: {about}")


def write(path, arrays):
    """Writes {layer: {number: array}} as `transfer.nets.weights` reads it."""
    with h5py.File(path, "w", libver="earliest", track_order=False) as file:
        file.attrs["layer_names"] = [layer.encode() for layer in arrays]
        for layer, values in arrays.items():
            group = file.create_group(layer)
            names = [f"{layer}/{name}" for name in VARIABLES[len(values)]]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for number, name in enumerate(names):
                with np.errstate(over="ignore"):  # it is told below
                    value = values[number].astype(np.float16)
                if not np.isfinite(value).all():
                    raise errors.InputError(f"{name} holds values that float16 can't; train anew")
                group.create_dataset(
                    name, data=value, compression="gzip", compression_opts=9, shuffle=True,
                    track_times=False,
                )  # fmt: skip


if __name__ == "__main__":
    errors.run(main)
