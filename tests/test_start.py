"""What starts how: a stage or a command pays for no package that it does not need."""

import subprocess
import sys

import pytest

from tests.imports import ROOT

FRAMEWORKS = {"tensorflow", "keras", "torch", "jax"}
HEAVY = {"PIL", "h5py", "openvino", "pyarrow", "scipy", "skimage", "sklearn", "sqlite3", "ssl"}
ANALYSIS = {"matplotlib", "onnx", "pandas", "pyarrow", "scipy", "skimage", "sklearn"}


# What is imported, and the packages that are too much for it.
STARTS = [
    # Names alone: all that decodes, computes, downloads or draws is too much.
    (["stages.check"], FRAMEWORKS | HEAVY | ANALYSIS | {"numpy"}),
    (["stages.fetch_data"], FRAMEWORKS | ANALYSIS | {"openvino", "h5py", "numpy"}),
    (["stages.fetch_weights"], FRAMEWORKS | ANALYSIS | {"openvino", "PIL"}),
    (["stages.index"], FRAMEWORKS | ANALYSIS | {"openvino", "h5py"}),
    (["stages.extract"], FRAMEWORKS | ANALYSIS | {"h5py"}),
    (["stages.train"], FRAMEWORKS | ANALYSIS | {"openvino", "h5py", "PIL"}),
    (["stages.evaluate"], FRAMEWORKS | ANALYSIS | {"openvino", "h5py"}),
    (["feature_extraction"], FRAMEWORKS | {"openvino"}),
    # Before a command is known: nothing but the parser.
    (["transfer.__main__"], FRAMEWORKS | HEAVY | ANALYSIS | {"numpy", "yaml"}),
    # A package that is missing is what it may have to tell.
    (["transfer.health.doctor"], FRAMEWORKS | HEAVY | ANALYSIS | {"dvc", "numpy", "yaml"}),
    (["transfer.catalogue"], FRAMEWORKS | ANALYSIS | {"h5py"}),
    # What `predict` imports.
    (
        ["transfer.heads.trained", "transfer.serving.classifier", "transfer.serving.photos"],
        FRAMEWORKS | ANALYSIS | {"h5py"},
    ),
]


def imported(*modules):
    """The top-level packages that a fresh Python holds once it has imported `modules`."""
    code = f"import sys, {', '.join(modules)}\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    STARTS,
    ids=lambda given: "-".join(given) if isinstance(given, list) else "",
)
def test_a_start_imports_no_package_that_is_not_needed(modules, unneeded):
    assert imported(*modules) & unneeded == set()


def test_no_stage_is_forgotten():
    """The stage that converts the network needs TensorFlow."""
    scripts = {f"stages.{path.stem}" for path in (ROOT / "stages").glob("[!_]*.py")}
    assert scripts - {modules[0] for modules, _ in STARTS} == {"stages.backbone"}
