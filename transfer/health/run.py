"""The run that params.yaml describes, as far as names and values tell."""

from dataclasses import dataclass

from transfer import params
from transfer.datasets import sources
from transfer.features import choices
from transfer.heads import options
from transfer.health.findings import well
from transfer.nets import cards


@dataclass(frozen=True)
class Run:
    """`given`: {dotted key: value}; the cards.Card, sources.Source and choices.Choice of it, and
    that of the activations at a cut, or None."""

    given: dict
    card: cards.Card
    source: sources.Source
    choice: choices.Choice
    cut: choices.Choice | None = None

    @property
    def files(self):
        """[(files, folder)]: alternatives of equal worth, and the folder that one is fetched to."""
        raw, weights = f"data/raw/{self.source.name}", f"models/weights/{self.card.name}"
        found = [((file,), raw) for file in self.source.files]
        if self.card.weights and self.given["weights"] == "pretrained":
            found.append((self.card.weights, weights))
        return found


def described():
    """The Run; raises InputError for the first name or value that stage `check` would refuse."""
    params.unread_keys()
    given = params.read(*params.KEYS)
    card = cards.load(cards.CARDS / f"{given['net']}.yaml")
    source = sources.load(sources.FOLDER / given["dataset"])
    sources.require_known(source, cards.known())
    choice = choices.choose(card, source, given)
    cut = choices.choose_cut(card, source, given, choice)
    options.require_fit(given["head.kind"], given["head.class_weights"])
    options.require_cut(given["head.kind"], given["extract.cut"])
    return Run(given, card, source, choice, cut)


def check(run):
    """Says what params.yaml asks for."""
    layers = " + ".join(name if k == 1 else f"{name}:{k}" for name, k in run.choice.layers)
    cut = f"cut at {run.cut.layers[0][0]}, {len(run.cut.views)} views there, " if run.cut else ""
    return well(
        "params",
        f"{run.card.name} on {run.source.name}: {layers}, {run.choice.size} px, {cut}"
        f"{', '.join(run.choice.views)}, {run.choice.precision}, head {run.given['head.kind']}",
    )
