"""What a stage's script imports of this repository, found by reading the source, not running it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def local_modules(script):
    """Paths, relative to the root, of `script` and every module it imports, transitively.

    Files that hold nothing, or a docstring alone, can't decide an output and are left out; so is
    the package of the stages itself, which only looks whether the environment is there.
    """
    found, queue = set(), [Path(script)]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports are not followed"
                names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
            queue += [file for name in names for file in _files(name)]
    return sorted(str(path) for path in found if _decides(ROOT / path))


def _files(name):
    """The files that importing module `name` runs: its own and each package's above it."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        for candidate in (Path(*parts[:end], "__init__.py"), Path(*parts[:end]).with_suffix(".py")):
            if (ROOT / candidate).is_file():
                yield candidate


def _decides(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body
    )
