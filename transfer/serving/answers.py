"""A classifier's answers to pictures: the most probable classes of each, in the order given."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from transfer.serving import photos as photos_


@dataclass(frozen=True)
class Answer:
    """image: the path; predictions: dicts of a class (`label`, ...) and its `probability`, the most
    probable first; problem: a sentence that stands for them where there are none."""

    image: str
    predictions: tuple = ()
    problem: str = ""


def stream(classifier, photos, top):
    """Yields the Answer to each of `photos` (photos.Photo), in their order, while the next are
    worked on; at most `top` predictions, fewer where there are fewer classes."""
    waiting = deque()  # in the order given, until the answers before them are known

    def readable():
        for photo, square in photos_.squares(photos, classifier.square):
            waiting.append(photo)
            if square is not None:
                yield photo, square

    def unreadable():
        while waiting and waiting[0].problem:
            photo = waiting.popleft()
            yield Answer(photo.name, problem=photo.problem)

    for photo, probabilities in classifier.stream(readable()):
        yield from unreadable()
        waiting.popleft()
        yield Answer(photo.name, _predictions(classifier.classes, probabilities, top))
    yield from unreadable()


def _predictions(classes, probabilities, top):
    first = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(classes[i] | {"probability": round(float(probabilities[i]), 6)} for i in first)
