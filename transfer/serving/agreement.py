"""Whether this version, with the backbone that is here, can do what a head's recipe says."""

import json

from transfer.datasets.reading import decoder
from transfer.errors import InputError, unknown
from transfer.features import rules
from transfer.features.engine import BATCH
from transfer.features.kernels import KERNELS
from transfer.nets import cards, graphs
from transfer.nets.layers import WHOLE, parsed

# Key of a recipe: what it must be.  `pixels` needs no look: the convention is in the graph.
KEYS = {
    "weights": str,
    "graph": str,
    "layers": list,
    "size": int,
    "resize": str,
    "crop": str,
    "pixels": dict,
    "views": list,
    "engine": str,
    "batch": int,
    "precision": str,
    "versions": dict,
    "source": dict,
}
OPTIONAL = ("rules", "dtype")  # there where a view has any, and at a cut
ENGINE = "openvino"
ANEW = "`dvc repro` trains one that is of this version"


def require_known(recipe, path):
    """Raises InputError unless the `recipe` of the head at `path` asks for what this version does.

    What it lacks, or says beyond what is known, may decide a feature too: neither is guessed.
    """
    recipe = recipe if isinstance(recipe, dict) else {}
    lacks = [key for key, kind in KEYS.items() if not isinstance(recipe.get(key), kind)]
    if lacks:
        raise InputError(
            f"{path} was trained by another version: its recipe has no valid {', '.join(lacks)}; "
            f"{ANEW}"
        )
    if not 16 <= recipe["size"] <= 2048:
        raise InputError(f"{path} is damaged: its recipe has the size {recipe['size']}; {ANEW}")
    said = [
        *(("key", key, (*KEYS, *OPTIONAL)) for key in sorted(recipe)),
        ("resize kernel", recipe["resize"], KERNELS),
        ("crop", recipe["crop"], cards.CROPS),
        *(("view", view, rules.NAMES) for view in recipe["views"] or ["none"]),
    ]
    for what, name, known in said:
        if name not in known:
            fault = unknown(f"{what} in the recipe of {path}", name, known)
            raise InputError(f"{fault}; {ANEW}")
    names = recipe["views"]
    if len(set(names)) < len(names):
        raise InputError(f"{path} is damaged: its recipe has the views {names}; {ANEW}")
    found, here = recipe.get("rules", {}), rules.of(names)
    if found != here:
        said, have = (json.dumps(one, sort_keys=True) for one in (found, here))
        raise InputError(
            f"{path} was trained on views by other rules: its recipe has {said} and this version "
            f"{have}; {ANEW}"
        )


def layers_of(recipe, path):
    """The layers of a recipe, a list of (name, cells)."""
    found = [parsed(str(layer)) for layer in recipe["layers"]]
    if not found or None in found:
        raise InputError(f"{path} is damaged: its recipe has the layers {recipe['layers']}; {ANEW}")
    return [(name, WHOLE) for name, _ in found] if "dtype" in recipe else found


def precision_of(recipe):
    """What to ask of the device for a recipe: bf16 or int8, else f32, which runs everywhere."""
    asked = recipe["precision"].partition("+")[0]
    return asked if asked in ("bf16", "int8") else "f32"


def require_backbone(head, path, folder):
    """Raises InputError unless `folder` holds, undamaged, the backbone that the `head` at `path`
    was trained on."""
    recipe = head.recipe
    if not all((folder / name).is_file() for name in (graphs.ABOUT, *graphs.FILES)):
        raise InputError(f"the backbone of {head.net} is not here ({folder}); {_bringing(head)}")
    about = graphs.read_about(folder)
    runs = precision_of(recipe)
    is_whole = all((folder / name).is_file() for name in graphs.files_of(runs))
    if runs == "int8" and not (is_whole and "quantised" in about):
        raise InputError(
            f"{path} was trained in int8 and the backbone of {head.net} is here without its int8 "
            f"network ({folder}); {_bringing(head)}"
        )
    graph = graphs.graph_of(about, runs)
    differ = [
        f"{what} {here[:12]} instead of {there[:12]}"
        for what, here, there in (
            ("weights", graphs.weights_of(about), recipe["weights"]),
            ("graph", graph, recipe["graph"]),
        )
        if here != there
    ]
    if differ:
        raise InputError(
            f"{folder} is not the backbone that {path} was trained on: {' and '.join(differ)}; "
            f"`dvc repro` trains a head on this one"
        )
    # The float network too, whatever the precision: exports take it.
    kept = {graphs.FILES: about["graph"], graphs.files_of(runs): graph}
    if any(graphs.digest(folder, files) != sha256 for files, sha256 in kept.items()):
        raise InputError(f"{folder} is damaged; remove it, then {_bringing(head)}")


def differences(recipe, engine):
    """What differs between a recipe and `engine` without being another feature: a list of words
    such as `precision f32 instead of bf16`."""
    said, here = recipe["versions"], engine.versions | {"decoder": decoder.VERSION}
    # Of a head by another engine, whose packages are not used here, the engine's name says it all.
    compared = [name for name in here if name in said or recipe["engine"] == ENGINE]
    pairs = [
        ("engine", ENGINE, recipe["engine"]),
        *((name, here[name], said.get(name)) for name in compared),
        ("batch", BATCH, recipe["batch"]),
        ("precision", engine.precision, recipe["precision"]),
    ]
    return [f"{what} {one} instead of {other}" for what, one, other in pairs if one != other]


def _bringing(head):
    """The command that makes the backbone of `head`, whatever params.yaml says now."""
    settings = f"-S net={head.net}"
    if cards.load(cards.CARDS / f"{head.net}.yaml").weights:  # else there are none to choose
        untrained = head.recipe["source"].get("weights") == "untrained"
        settings += f" -S weights={'random' if untrained else 'pretrained'}"
    if precision_of(head.recipe) == "int8":
        settings += " -S extract.precision=int8"
    return f"`dvc exp run {settings} backbone` brings it back"
