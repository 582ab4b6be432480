"""A YAML file read so that a fault in it can be told with its file and line."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path

import yaml

from transfer.errors import InputError, unknown

_WORDS = {str: "text", list: "a list", dict: "a mapping", bool: "true or false"}
MOST_BYTES = 2**18  # of a file that people write by hand; the largest here has 3 kB
_MOST_DEPTH = 20  # of mappings and lists within each other
_MOST_DIGITS = 4000  # Python refuses to read a number of more than 4,300


# PyYAML reads YAML 1.1, DVC reads 1.2 (by ruamel.yaml): 0100 is 64 or 100, 1:40 is 100 or a text,
# yes is true or a text, << takes in another mapping or is a key (yaml.org/spec/1.2.2/ext/changes).
_AMBIGUOUS = re.compile(
    r"[-+]?0[0-9_]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*_[0-9_.]*|[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|(?i:yes|no|on|off)|<<|="
)
_READINGS = "is one thing in YAML 1.1 and another in 1.2; write a number, true, false or 'text'"


class Loader(yaml.SafeLoader):
    """Plain values alone: a tag could ask for another type, and aliases of aliases unfold without
    end, so the text may hold neither, nor what the versions of YAML read in different ways.
    1e-06, as DVC writes it, is a number: in YAML 1.1 it is a text.  Raises yaml.YAMLError alone."""

    depth = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise self._refused(event, f"the alias *{event.anchor}; write out what it stands for")
        if event.tag is not None:
            raise self._refused(event, f"the tag {event.tag}; expected plain values without tags")
        if self.depth == _MOST_DEPTH:
            raise self._refused(event, f"more than {_MOST_DEPTH} mappings and lists nested")
        is_plain = isinstance(event, yaml.ScalarEvent) and event.style is None
        if is_plain and _AMBIGUOUS.fullmatch(event.value):
            raise self._refused(event, f"{event.value}, which {_READINGS}")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as fault:  # a date or number that does not exist
            # Python's own words on a long number advise to change Python.
            is_long = isinstance(node.value, str) and len(node.value) > _MOST_DIGITS
            why = f"it has {len(node.value):,} characters" if is_long else fault
            problem = f"the value is not to be read: {why}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def _refused(self, event, what):
        return yaml.MarkedYAMLError(problem=f"holds {what}", problem_mark=event.start_mark)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read(path):
    """The Tree of the YAML file `path`, empty where there is no such file.

    Raises InputError, with the line, where it is not YAML, has a tag, an alias or a key twice, and
    where it is no mapping, nests deeper than honest files do, is larger than MOST_BYTES, or no
    file at all.
    """
    try:
        return parsed(content(path), path)
    except FileNotFoundError:
        return Tree(path, {}, {})


def required(path):
    """The Tree of a YAML file that the repository has; raises InputError as `read`, and where it
    is not there."""
    try:
        return parsed(content(path), path)
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run in the repository's root") from None


def content(path):
    """The bytes of `path`, at most MOST_BYTES.

    Raises FileNotFoundError where it is not there, InputError where it is no file or can't be read.
    """
    try:
        # Looked at before it is opened: a pipe would be waited for without end.
        if is_special(path):
            raise InputError(f"{path} is a pipe, a socket or a device; expected a file: remove it")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise InputError(f"{path} can't be read: {fault.strerror or fault}") from None
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{path} is longer than {MOST_BYTES:,} bytes; expected a file written by hand"
        )
    return data


def is_special(path):
    """Whether `path`, or what it links to, is there and neither a file nor a folder.

    Raises OSError where that can't be told.
    """
    kind = path.stat().st_mode
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def parsed(data, path):
    """The Tree of YAML as bytes in UTF-8; raises InputError as `read`, which names `path`."""
    lines, value = _parsed(data, path)
    tree = Tree(path, lines, {} if value is None else value)
    if not isinstance(tree.value, dict):
        raise tree.fault(f"must be a mapping of keys; received {type(value).__name__}")
    return tree


def _parsed(data, path):
    """({(key, ...): line}, value) of YAML as bytes in UTF-8."""
    try:
        text = data.decode("utf-8")
        loader = Loader(text)
        node = loader.get_single_node()
        return _lines(node, path), node and loader.construct_document(node)
    except UnicodeDecodeError as fault:
        place = f"{path}, line {data.count(10, 0, fault.start) + 1}"
        words = "this is not text in UTF-8"
    except yaml.MarkedYAMLError as fault:
        mark, words = fault.problem_mark or fault.context_mark, fault.problem or fault.context
        place = f"{path}, line {mark.line + 1}"
    except yaml.reader.ReaderError as fault:
        place = f"{path}, line {text.count(chr(10), 0, fault.position) + 1}"
        words = f"the character {chr(fault.character)!a} is not allowed"
    raise InputError(f"{place}: is not valid YAML: {' '.join(words.split())}")


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
                raise self.unknown((key,), names)

    def unknown(self, keys, known):
        """InputError for the key at `keys` (a tuple), which is none of the `known` ones."""
        line = self.lines.get((*self.at, *keys))
        place = f"{self.path}{f', line {line}' if line else ''}"
        return InputError(f"{place}: {unknown('key', '.'.join(map(str, keys)), known)}")
