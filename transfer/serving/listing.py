"""Answers as people and machines read them: a table, or JSON Lines."""

import json
import sys

from tqdm import tqdm

WIDEST = 40  # letters of a path beside its predictions; a longer one stands above them


def show(answers, classifier, names, as_json):
    """Prints each of `answers` (of `classifier`, to the pictures `names`) as soon as it is known;
    returns how many of them have a problem."""
    lines = _json if as_json else _table(classifier, names)
    problems = 0
    # A bar where there is a terminal, and only for work that takes its time.
    with tqdm(total=len(names), unit="img", delay=1, leave=False, disable=None) as bar:
        for answer in answers:
            problems += bool(answer.problem)
            bar.clear()
            for line in lines(answer):
                print(line)
            sys.stdout.flush()
            bar.update()
    return problems


def _json(answer):
    told = {"error": answer.problem} if answer.problem else {"predictions": answer.predictions}
    yield json.dumps({"image": answer.image} | told)


def _table(classifier, names):
    """Prints the head of the table; returns the function from an Answer to its lines."""
    widths = [len(printable(name)) for name in names]
    image = max([len("image"), *(width for width in widths if width <= WIDEST)])
    label = max(len("class"), *(len(printable(about["label"])) for about in classifier.classes))
    print(classifier.title)
    print(f"{'image':{image}}  {'class':{label}}  probability")

    def lines(answer):
        name = printable(answer.image)
        if len(name) > image:
            yield name
            name = ""
        if answer.problem:
            yield f"{name:{image}}  error: {printable(answer.problem)}"
        for one in answer.predictions:
            yield f"{name:{image}}  {printable(one['label']):{label}}  {one['probability']:11.4f}"
            name = ""

    return lines


def printable(text):
    """`text` with what would move a terminal's cursor, or is no Unicode, written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
