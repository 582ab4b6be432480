"""One script a node of the DAG; dvc.yaml says what each reads and writes."""

import importlib.util
import sys


def _quietly(kind, *fault):
    if kind is not KeyboardInterrupt:  # Ctrl-C while a stage's packages are still imported
        sys.__excepthook__(kind, *fault)


sys.excepthook = _quietly

if importlib.util.find_spec("openvino") is None:
    sys.exit(
        f"error: {sys.executable} lacks this project's packages; run `make setup` once and "
        f"`. .venv/bin/activate` in each new shell, then the same command again"
    )
