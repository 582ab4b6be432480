"""`python -m transfer`: what people ask beside the DVC stages.

Each command imports what it needs when it is called, so that the others start at once.
"""

import argparse
import sys

from transfer import errors
from transfer.serving.exports import usage  # text alone

# ruff: noqa: PLC0415

KEEPS = "Runs that are done are kept in the store: the same command again goes on where it was."
EXITS = "Exits by 1 where a picture has no answer; the others have theirs all the same."


def pin(name):
    """Download the files of a net or dataset that have no known hash, and write the hash down."""
    from transfer.datasets import sources
    from transfer.downloads import pins
    from transfer.nets import cards

    if name in cards.known():
        path = cards.CARDS / f"{name}.yaml"
        cards.load(path)
        lines = pins.pin(path, _weights_files)
    elif name in sources.known():
        path = sources.FOLDER / name / sources.NAME
        if not sources.load(path.parent).files:
            raise errors.InputError(f"dataset {name} has no files at an address to pin")
        lines = pins.pin(path, lambda tree: tree["files"])
    else:
        raise errors.unknown("net or dataset", name, [*cards.known(), *sources.known()])
    print("\n".join(lines))


def _weights_files(tree):
    """The mappings of a card that describe files, its own and its classifier's."""
    for weights in (tree["weights"], tree.get("classifier", {}).get("weights", [])):
        for file in weights if isinstance(weights, list) else [weights]:
            if "seed" not in file:
                yield file


def mirror(folder, net, dataset, all):
    """Make a mirror of networks and datasets, for machines without internet."""
    from transfer import params
    from transfer.datasets import sources
    from transfer.downloads import mirroring, mirrors
    from transfer.nets import cards

    if not (net or dataset or all):
        raise errors.InputError("nothing is named to mirror; add --net, --dataset or --all")
    nets = [*(cards.known() if all else net)]
    datasets = [*(sources.known() if all else dataset)]
    wanted = [*_wanted_of_nets(nets), *_wanted_of_datasets(datasets)]
    source = mirrors.find(params.read("mirror")["mirror"])
    for line in mirroring.make(folder, wanted, source):
        print(line, flush=True)


def _wanted_of_nets(names):
    """What the cards list, and the names of the classes of the nets that have classes."""
    from transfer.downloads.mirroring import Wanted
    from transfer.nets import cards, classes

    for name in names:
        if name not in cards.known():
            raise errors.unknown("net", name, cards.known())
        card = cards.load(cards.CARDS / f"{name}.yaml")
        groups = cards.listed(card)
        yield from (Wanted(files, name) for files in groups)
        if card.classifier:
            yield Wanted((classes.CLASSES,), name)
        if not groups:
            how = "it comes with the repository" if card.weights else "its filters are drawn"
            print(f"{name}: no file to mirror, {how}")


def _wanted_of_datasets(names):
    from transfer.datasets import sources
    from transfer.downloads.mirroring import Wanted

    for name in names:
        if name not in sources.known():
            raise errors.unknown("dataset", name, sources.known())
        source = sources.load(sources.FOLDER / name)
        yield from (Wanted((file,), name, source.licence) for file in source.files)
        if not source.files:
            how = "it is rendered" if source.kind == "render" else "its images are your own"
            print(f"{name}: no file to mirror, {how}")


def predict(photo, head, top, json):
    """Classify pictures with the trained head."""
    from transfer.heads import trained
    from transfer.serving import classifier

    _classify(photo, top, json, lambda batch: classifier.load(head or trained.HEAD, batch=batch))


def imagenet(photo, net, top, json):
    """Classify pictures with a pretrained network's own 1000 classes of ImageNet."""
    from transfer import params
    from transfer.serving import imagenet

    mirror = params.read("mirror")["mirror"]
    _classify(photo, top, json, lambda batch: imagenet.load(net, mirror, batch))


def _classify(names, top, as_json, load):
    """Prints the answers of the classifier that `load(batch)` gives; exits by 1 where a picture has
    none."""
    from transfer.features.engine import BATCH
    from transfer.serving import answers, listing, photos

    found, passed = photos.find(names)
    classifier = load(1 if len(found) == 1 else BATCH)
    for note in classifier.notes:
        print(f"warning: {note}", file=sys.stderr)
    if passed:
        what = "1 name that is" if passed == 1 else f"{passed} names that are"
        print(f"note: passed over {what} hidden or no picture's", file=sys.stderr)
    given = answers.stream(classifier, found, top)
    if listing.show(given, classifier, [photo.name for photo in found], as_json):
        sys.exit(1)


def embeddings(out, pack):
    """Write the features of the current run's packs as one Parquet file, for other tools."""
    from transfer import params
    from transfer.heads import trained
    from transfer.serving import embeddings

    if pack:
        parts = [(embeddings.split_of(path), path) for path in pack]
    else:
        run = params.read("net", "dataset", "split.per_class").values()
        if params.read("head.kind")["head.kind"] == "finetune":
            parts = embeddings.tuned(trained.load(trained.HEAD), *run)
        else:
            parts = list(embeddings.of_run(*run).items())
    rows, length = embeddings.write(out, parts)
    print(f"embeddings: {rows:,} images, D = {length:,}, in {out}")


def report():
    """Write reports/report.html: the current run's numbers and pictures, and all experiments."""
    from transfer.reports import page

    print(page.write())


def export(to, out, head):
    """Write the trained head with its network as one file for another runtime."""
    from transfer.heads import trained
    from transfer.serving.exports import export

    print(export.export(to, out, head or trained.HEAD))


def store(action, keep):
    """Look at the kept features (stat), cut them to a size (gc) or check each of them (verify)."""
    from transfer.downloads import kept
    from transfer.features.store import upkeep

    print("\n".join(upkeep.answer(action, kept.store_folder(), keep)))


def compare(a, b, part, json):
    """Tell whether one of two runs is better: paired by image, with intervals and tests."""
    from transfer.reports import comparison, revisions, verdicts

    rows = {name: revisions.read(name) for name in (a, b)}
    compared = comparison.compare(a, b, rows[a], rows[b], part)
    print((verdicts.as_json if json else verdicts.text)(a, b, compared, verdicts.untrained(rows)))


def budget(setting, budgets, seeds, part):
    """Measure accuracy against images a class: reports/budget.csv, .md and .png."""
    from transfer.grids import budget, settings

    print(budget.write(settings.parsed(setting), budgets or budget.BUDGETS, seeds, part), end="")


def advise(setting):
    """Tell whether fine-tuning is worth it here: short trials on held-out training images."""
    from transfer.grids import advice, settings

    print(advice.write(settings.parsed(setting)), end="")


def table(nets, datasets, seeds):
    """Compute the table of results: reports/table.md and .csv, nets and settings over datasets."""
    from transfer.grids import protocol, table

    given = (nets or protocol.NETS, datasets or protocol.DATASETS, seeds)
    print(table.write(*given), end="")


def doctor(deep, json):
    """Tell what is off: packages, CPU, mirror, disk, DVC, store and git; exits by 1 if anything."""
    from transfer.health import doctor

    found = doctor.examine(deep)
    print((doctor.as_json if json else doctor.text)(found))
    if not all(finding.ok for finding in found):
        sys.exit(1)


def sources(json):
    """List all datasets and nets: licence, homepage, what is downloaded, pinned and mirrored."""
    from transfer import catalogue, params
    from transfer.downloads import mirrors

    mirror = mirrors.find(params.read("mirror")["mirror"])
    print((catalogue.as_json if json else catalogue.table)(catalogue.entries(), mirror))


def _budget(text):
    return text if text == "all" else _count(text)


def _seed(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0; received {text!r}")
    return int(text)


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; received {text!r}")
    return int(text)


def _parser():
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m transfer", description=about)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(function):
        about = function.__doc__
        made = commands.add_parser(function.__name__, help=about, description=about)
        made.set_defaults(command=function)
        return made

    _files(command)
    _answers(command)
    _comparisons(command)
    _upkeep(command)
    return parser


def _files(command):
    made = command(pin)
    made.add_argument("name", help="a card in models/cards or a folder in data/datasets")
    made = command(mirror)
    made.epilog = (
        "What is there and whole stays: the same command again goes on where it was. On the other "
        "machine `mirror` in params.yaml or $TRANSFER_MIRROR names the folder."
    )
    made.add_argument("folder", metavar="DIR", help="its files are listed in its SHA256SUMS")
    for flag, what in (("--net", "a card in models/cards"), ("--dataset", "a folder's name")):
        made.add_argument(
            flag, nargs="+", action="extend", default=[], metavar="NAME", help=f"{what}; repeatable"
        )
    made.add_argument("--all", action="store_true", help="every net and dataset")


def _answers(command):
    made = _of_pictures(command(predict))
    made.epilog = f"The head's own recipe decides, not params.yaml. {EXITS}"
    made.add_argument("--head", metavar="PATH", help="default: models/head.npz")
    made = _of_pictures(command(imagenet))
    made.epilog = f"Always the pretrained network, also with `weights: random`. {EXITS}"
    made.add_argument("--net", default="googlenet", help="a card (default: googlenet)")
    made = command(embeddings)
    made.add_argument("out", metavar="OUT.parquet", help="is written whole, over what is there")
    made.add_argument(
        "--pack", action="append", metavar="FILE", help="another pack than the run's; repeatable"
    )
    command(report)
    made = command(export)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.epilog = usage.EPILOG
    made.add_argument("--to", required=True, metavar="FORMAT", help="keras, onnx, openvino, tflite")
    made.add_argument(
        "--out", metavar="PATH", help="default: in models/exported; replaced if there"
    )
    made.add_argument("--head", metavar="PATH", help="default: models/head.npz")


def _comparisons(command):
    made = command(compare)
    made.add_argument("a", metavar="A", help="an experiment, a git revision or workspace")
    made.add_argument("b", metavar="B")
    made.add_argument("--part", help="validation or test (default: each that both have)")
    made.add_argument("--json", action="store_true", help="all figures and classes as one object")
    _of_settings(command(advise))
    made = _of_settings(_of_seeds(command(budget)))
    made.add_argument(
        "--budgets", type=_budget, nargs="+", metavar="N", help="default: 5 10 20 50 100 all"
    )
    made.add_argument("--part", default="validation", help="validation (default) or test")
    made = _of_seeds(command(table))
    made.epilog = f"All settings are fixed, whatever params.yaml holds. {KEEPS}"
    made.add_argument("--nets", nargs="+", metavar="NET", help="cards; default: four real ones")
    made.add_argument(
        "--datasets", nargs="+", metavar="NAME", help="default: cifar10 flowers traffic"
    )


def _upkeep(command):
    made = command(store)
    made.add_argument("action", help="stat, gc or verify; safe while features are extracted")
    made.add_argument(
        "--keep", metavar="SIZE", help="of gc: remove the longest unused beyond it, as 20GB"
    )
    made = command(doctor)
    made.epilog = "Nothing is changed, and the network is not asked. Run it in the repository."
    made.add_argument(
        "--deep", action="store_true",
        help="hash the mirror's files of this run and read the whole store too",
    )  # fmt: skip
    made.add_argument("--json", action="store_true", help="all findings as one object")
    made = command(sources)
    made.add_argument("--json", action="store_true", help="all files of each too, as one array")


def _of_settings(command):
    command.epilog = f"params.yaml gives what no -S does. {KEEPS}"
    command.add_argument(
        *("-S", "--set-param"), dest="setting", action="append", default=[], metavar="KEY=VALUE",
        help="as for dvc exp run; repeatable; params.yaml stays as it is",
    )  # fmt: skip
    return command


def _of_seeds(command):
    command.add_argument(
        "--seeds", type=_seed, nargs="+", default=[0, 1, 2], metavar="SEED",
        help="of the split (default: 0 1 2)",
    )  # fmt: skip
    return command


def _of_pictures(command):
    command.add_argument("photo", nargs="+", help="a picture, or a folder of them at any depth")
    command.add_argument("--top", type=_count, default=5, metavar="K", help="classes (default: 5)")
    command.add_argument("--json", action="store_true", help="JSON Lines, an object a picture")
    return command


def main():
    given = vars(_parser().parse_args())
    # A name that the terminal's encoding lacks is printed as escapes.
    sys.stdout.reconfigure(errors="backslashreplace")
    with errors.sentences():
        given.pop("command")(**given)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
