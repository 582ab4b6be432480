"""`python -m transfer export`: a head with its backbone as one file for another runtime."""

import contextlib
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np

from transfer import quiet
from transfer.errors import InputError, unknown
from transfer.features.views import VIEWS
from transfer.heads import trained
from transfer.serving.exports import openvino_ir
from transfer.serving.exports.plan import MODELS, plan, require_weights
from transfer.writing import replacing

# ruff: noqa: PLC0415  # each format's packages are imported where it is asked for
# Format: how its file ends.  OpenVINO's is a folder.
FORMATS = {"keras": ".keras", "onnx": ".onnx", "openvino": "", "tflite": ".tflite"}
TOLERANCE = 1e-3  # of a probability, between the file and the kept backbone


def export(to, out=None, head=trained.HEAD, models=MODELS):
    """Writes the head at `head` with its backbone in the folder `models` as the format `to`, one of
    `FORMATS`; returns a line that says what was written.

    out: the file, or the folder for openvino; None is models/exported/<net>_<dataset><ending>.
    It takes `image`, uint8 RGB [N, S, S, 3] with the recipe's size S, and gives `probabilities`,
    float32 [N, C]; it computes in float32 and describes itself (metadata.about).  Before it
    takes the place of what was there it is read and compared with the kept backbone.

    Raises InputError for an unknown format; for a head, backbone or weights that are not here or
    don't belong together; and where `out` lies in no folder, or is one that is no earlier export.
    """
    if to not in FORMATS:
        raise unknown("format", to, FORMATS)
    planned = plan(head, models)
    place = Path(out) if out else Path(models, "exported", _name(planned, to))
    if out and not place.parent.is_dir():
        raise InputError(f"{place} can't be written: there is no folder {place.parent}; make it")
    out = place
    _require_place(out, to)
    if to == "openvino":
        _save_folder(planned, out)
        size = sum((out / name).stat().st_size for name in openvino_ir.FILES)
    else:
        content = _content(planned, to)
        with replacing(out, "wb") as file:
            file.write(content)
        size = len(content)
    return _line(planned, out, size)


def _name(planned, to):
    name = f"{planned.card.name}_{planned.head.dataset}{FORMATS[to] or '_openvino'}"
    return re.sub(r"[^\w.-]", "_", name)  # a dataset is named by whoever made the head


def _require_place(out, to):
    """Raises InputError where `out` can't be taken for an export to `to`."""
    if not out.name.endswith(FORMATS[to]):
        raise InputError(f"an export to {to} must end with {FORMATS[to]}; received {out}")
    if to != "openvino" and out.is_dir():
        raise InputError(f"{out} is a folder; name a file by --out")
    if to == "openvino" and out.exists() and not openvino_ir.is_ours(out):
        raise InputError(f"{out} is something else than an export; move it, or name another --out")


def _save_folder(planned, out):
    """Writes the folder beside its place and exchanges it with what was there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = {"prefix": f".{out.name}.", "suffix": ".part", "dir": out.parent}
    with tempfile.TemporaryDirectory(**beside) as work:
        made = Path(work, "made")
        made.mkdir()
        openvino_ir.save(planned, made)
        written = made / openvino_ir.FILES[0]
        _require_equal(planned, lambda images: openvino_ir.run(written, images), "openvino")
        if out.exists():
            out.rename(Path(work, "old"))
        try:
            made.rename(out)
        except OSError:
            Path(work, "old").rename(out)
            raise


def _content(planned, to):
    """The bytes of the file, which were read back and compared with the kept backbone."""
    if to == "onnx":
        from transfer.serving.exports import onnx_file as exporter
    else:
        require_weights(planned)
        with _quiet():  # TensorFlow greets
            from transfer.serving.exports import keras_file as exporter

            if to == "tflite":
                from transfer.serving.exports import tflite_file as exporter
    with _quiet(), tempfile.TemporaryDirectory() as work:
        content = exporter.content(planned)
        path = Path(work, f"model{FORMATS[to]}")
        path.write_bytes(content)
        _require_equal(planned, lambda images: exporter.run(path, images), to)
    return content


def _require_equal(planned, run, to):
    """Raises InputError unless `run`, of uint8 [N, S, S, 3], gives the kept backbone's answers to
    the views that extraction takes.

    Converters report success for files that no runtime reads, and the code that builds a network
    may have changed since the backbone was kept.
    """
    shape = (2, planned.size, planned.size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images[1] //= 4  # dull, so that contrast does much
    looks = [np.stack([VIEWS[name](image) for image in images]) for name in planned.views]
    rows = openvino_ir.run(openvino_ir.classifier(planned, ["plain"]), np.concatenate(looks))
    expected = rows.reshape(len(looks), len(images), -1).mean(axis=0)  # [N, C]
    try:
        found = run(images)
    except RuntimeError as fault:  # OpenVINO's, of what its reader does not know
        reason = " ".join(str(fault).split())[-300:]
        raise InputError(
            f"the {to} file can't be read back ({reason}); choose another format"
        ) from None
    off = np.abs(found - expected).max()
    if not off <= TOLERANCE:
        raise InputError(
            f"the {to} file would give other probabilities than {planned.backbone}, by {off:.2g}; "
            f"run `dvc repro backbone`, and choose another format if that does not help"
        )


@contextlib.contextmanager
def _quiet():
    """Keeps what the converters print off stderr; faults still raise."""
    with quiet.stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _line(planned, out, size):
    s, c, precision = planned.size, len(planned.head.classes), planned.head.recipe["precision"]
    trained_on = "" if precision == "f32" else f"; in f32, the head was trained on {precision}"
    return (
        f"export: {trained.title(planned.head)}: {out}, {size / 1e6:.1f} MB: image uint8 "
        f"[N, {s}, {s}, 3] to probabilities float32 [N, {c}]{trained_on}"
    )
