"""Where the stages find what others write, seen from this folder."""

from pathlib import Path

VIEWS, ABOUT = Path("data/views.npy"), Path("images.json")
FACES, TEXTS = Path("data/faces.npy"), Path("data/texts.npy")
TARGETS, COLUMNS, TAUGHT_BY = Path("data/targets"), "columns.json", Path("teachers.json")
TRAINED, LOG = Path("data/trained.npz"), Path("log.csv")
EXPORTED = Path("exported")
DATASETS, CARDS = Path("../data/datasets"), Path("../models/cards")
