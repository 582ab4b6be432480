"""A YAML file read so that a fault in it can be told with its file and line."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from transfer.errors import InputError, unknown

_WORDS = {str: "text", list: "a list", dict: "a mapping", bool: "true or false"}


def read(path):
    """The Tree of the YAML file `path`, empty where there is no such file.

    Raises InputError where it is not YAML or no mapping.
    """
    if not path.exists():
        return Tree(path, {}, {})
    try:
        text = path.read_text(encoding="utf-8")
        node, value = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
        lines = _lines(node, path)
    except InputError:
        raise
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as fault:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(fault).split())}") from None
    tree = Tree(path, lines, {} if value is None else value)
    if not isinstance(tree.value, dict):
        raise tree.fault(f"must be a mapping of keys; received {type(value).__name__}")
    return tree


def _lines(node, path, at=()):
    """{(key, ...): line} of a YAML node; a key that stands twice is refused."""
    found = {}
    if isinstance(node, yaml.MappingNode):
        pairs = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(i, value, value) for i, value in enumerate(node.value)]
    else:
        return found
    for name, mark, value in pairs:
        line = mark.start_mark.line + 1
        if isinstance(name, (str, int)) and (*at, name) in found:
            raise InputError(f"{path}, line {line}: the key {name} stands twice; leave one")
        if isinstance(name, (str, int)):
            found[(*at, name)] = line
            found.update(_lines(value, path, (*at, name)))
    return found


@dataclass(frozen=True)
class Tree:
    """A mapping of the file with what is needed to say where in the file a fault lies."""

    path: Path
    lines: dict  # of the whole file: (key, key, ...) -> line from 1
    value: dict
    at: tuple = ()

    def fault(self, words, *keys):
        at = (*self.at, *keys)
        line = self.lines.get(at) or self.lines.get(self.at)
        key = ".".join(str(k) for k in at)
        return InputError(
            f"{self.path}{f', line {line}' if line else ''}: {f'{key} ' if key else ''}{words}"
        )

    def get(self, key, kind, default):
        value = self.value.get(key, default)
        if not isinstance(value, kind):
            raise self.fault(f"must be {_WORDS.get(kind, 'a number')}; received {value!r}", key)
        return value

    def below(self, *keys):
        value = self.value
        for key in keys:
            value = value.get(key, {}) if isinstance(value, dict) else value[key]
        tree = Tree(self.path, self.lines, value, (*self.at, *keys))
        if not isinstance(value, dict):
            raise tree.fault(f"must be a mapping; received {value!r}")
        return tree

    def expect_keys(self, *names):
        for key in self.value:
            if key not in names:
                where = self.lines.get((*self.at, key))
                place = f"{self.path}{f', line {where}' if where else ''}"
                raise InputError(f"{place}: {unknown('key', key, names)}")
