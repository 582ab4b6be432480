"""What the README tells people to type is what there is."""

import re
import shlex
from itertools import pairwise

import pytest
import yaml

from feature_extraction import main as feature_extraction
from tests.imports import ROOT
from transfer import __main__ as command_line
from transfer import params
from transfer.datasets import sources
from transfer.features import choices
from transfer.heads import kinds
from transfer.nets import cards

README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = [
    path.relative_to(ROOT) for path in ROOT.glob("*/*/README.md") if ".venv" not in path.parts
]
# What the words of the results' table stand for, for one of its cells, and the reader's own folder.
CELL = {"NET": "resnet", "$1": "traffic", "$2": "group", "$3": 0.2, "$4": None, "NAME": "sample"}
CELL |= {"photos": "sample"}


def commands(start):
    """The commands that begin with `start`, in the order of the page: lists of words."""
    text = README.replace("\\\n", " ")
    found = re.findall(rf"(?:^ {{4,}}|`)({re.escape(start)}[^\n`#]*)", text, re.M)
    assert found, f"the README has no {start} any more"
    return [shlex.split(command) for command in found]


def settings(words):
    """[{key: value}] of the experiments that `dvc exp run` with `words` would run or queue."""
    grid = [{}]
    for flag, pair in pairwise(words):
        if flag == "-S":
            key, _, text = pair.partition("=")
            values = text.split(",") if "--queue" in words else [text]
            grid = [one | {key: yaml.safe_load(value)} for one in grid for value in values]
    return grid


EXPERIMENTS = [one for words in commands("dvc exp run") for one in settings(words)]


@pytest.mark.parametrize("given", EXPERIMENTS, ids=str)
def test_experiments_name_what_is_here(given):
    defaults = params.read(*params.KEYS, path=ROOT / "params.yaml")
    given = {key: CELL[value] if str(value) in CELL else value for key, value in given.items()}
    assert set(given) <= set(defaults)
    for key, value in given.items():
        allowed, must = params.KEYS[key]
        assert allowed(value), f"{key} must be {must}"
    run = defaults | given
    card = cards.load(ROOT / cards.CARDS / f"{run['net']}.yaml")
    source = sources.load(ROOT / sources.FOLDER / run["dataset"])
    choices.choose(card, source, run)
    kinds.named(run["head.kind"])


def test_the_courses_exercises_give_every_param_that_they_depend_on():
    start = README.index("## The course's three exercises")
    exercises = [
        one for one in EXPERIMENTS if one.get("split.by") == "image" and "head.kind" in one
    ]
    assert "-S net=vgg_relu6" in README[start:]
    assert [one["net"] for one in exercises[:3]] == ["vgg_relu6", "alexnet", "vgg"]
    needed = "net weights dataset split.by split.per_class split.validation split.test split.seed"
    needed += " extract.layers extract.size extract.views"
    needed += " head.kind head.epochs head.batch_size head.seed head.initializer"
    for one in exercises[:3]:
        assert set(needed.split()) <= set(one)


@pytest.mark.parametrize("words", commands("python -m transfer "), ids=" ".join)
def test_commands_are_parsed(words):
    assert command_line._parser().parse_args(words[3:])


def test_every_net_and_dataset_is_named():
    for name in (*cards.known(ROOT / cards.CARDS), *sources.known(ROOT / sources.FOLDER)):
        assert f"`{name}`" in README


def test_the_courses_command_line_is_there():
    assert callable(feature_extraction)
    assert commands("python feature_extraction.py")


@pytest.mark.parametrize("page", ["trust.md", "cluster.md"])
def test_the_tests_that_trust_rests_on_are_here(page):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text(encoding="utf-8")))
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py")]
    here = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.M)}
    assert named
    assert not named - here


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/accuracy.md",
        "docs/benchmarks.md",
        "docs/cluster.md",
        "docs/trust.md",
        *map(str, FOLDERS),
    ],
)
def test_links_lead_to_what_is_here(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    lost = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not lost
