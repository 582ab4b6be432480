"""What people pin, what is compiled of it, and how it is read."""

import os
import re

import pytest
from packaging.requirements import Requirement

from tests.imports import ROOT
from transfer import requirements
from transfer.errors import InputError

COMPILED = ("requirements.txt", "requirements-dev.txt", "requirements-ray.txt")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def entries(name):
    """{package as written with its marker: set of hashes} of a compiled file."""
    found = {}
    for block in text(name).replace("\\\n", " ").splitlines():
        if block and not block.lstrip().startswith("#"):
            words, *hashes = block.split("--hash=")
            found[words.strip()] = {one.strip() for one in hashes}
    return found


@pytest.mark.parametrize("name", COMPILED)
def test_every_package_has_one_version_and_its_hashes(name):
    for words, hashes in entries(name).items():
        (exact,) = Requirement(words).specifier
        assert exact.operator == "==", words
        assert hashes, words
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), words


@pytest.mark.parametrize("name", COMPILED)
def test_no_address_and_no_option_is_in_what_is_compiled(name):
    """A file with an index of its own would take packages from there on every machine."""
    assert "://" not in text(name)
    assert not re.search(r"^-", text(name), re.M)


@pytest.mark.parametrize("name", COMPILED)
def test_what_people_pin_is_what_is_compiled(name):
    names = dict.fromkeys(["requirements.in", name.replace(".txt", ".in")])
    compiled = requirements.pinned(ROOT / name)
    for one in names:
        for package, version in requirements.pinned(ROOT / one).items():
            assert compiled[package] == version, f"run `make lock`: {one} has another {package}"


def test_tools_are_added_to_what_runs_and_change_nothing_of_it():
    run, tools, more = map(entries, COMPILED)
    for words, hashes in run.items():
        assert tools[words] == hashes
    # What a cluster needs may be needed on more systems, and is the same there.
    tools, more = ({w.partition(" ;")[0]: found[w] for w in found} for found in (tools, more))
    assert {words.partition(" ;")[0] for words in run} <= set(more)
    for words in tools.keys() & more.keys():
        assert tools[words] == more[words]


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in", "requirements-ray.in"])
def test_people_pin_exactly_and_in_order(name):
    lines = [line for line in text(name).splitlines() if line and line[0] not in "#-"]
    assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(names)


def test_setup_installs_by_hash_and_builds_with_what_is_pinned():
    makefile = text("Makefile")
    installs = [line for line in makefile.splitlines() if "$(INSTALL)" in line]
    assert "--require-hashes" in re.search(r"^INSTALL = .*$", makefile, re.M)[0]
    assert [line.split()[-1] for line in installs] == [
        ".venv/build.txt",
        "requirements-dev.txt",
        "requirements-ray.txt",
    ]
    assert all("--no-build-isolation" in line for line in installs[1:])
    for name in ("packaging", "setuptools", "wheel"):
        assert name in requirements.pinned(ROOT / "requirements.txt")


SMALL = """\
# by hand
-r other.in
Numpy==2.4.6 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via
    #   scipy
later==2.0 ; python_full_version >= '3.99'
later==1.0 ; python_full_version < '3.99'
elsewhere==1.0 ; sys_platform == 'win32'
zc.lockfile==4.0
loose>=1
"""


def test_pinned_reads_names_versions_and_markers(tmp_path):
    (tmp_path / "r.txt").write_text(SMALL)
    found = requirements.pinned(tmp_path / "r.txt")
    assert found == {"later": "1.0", "numpy": "2.4.6", "zc-lockfile": "4.0"}
    assert list(found) == sorted(found)


def test_a_line_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "r.txt").write_text("numpy==\n<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"'numpy==' is no requirement such as numpy==2\.4\.6"):
        requirements.pinned(tmp_path / "r.txt")
    with pytest.raises(InputError, match=r"none\.txt can't be read"):
        requirements.pinned(tmp_path / "none.txt")
    (tmp_path / "r.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="it is not UTF-8"):
        requirements.pinned(tmp_path / "r.txt")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "requirements.txt")
    with pytest.raises(InputError, match=r"requirements.txt is a pipe, .* then `git checkout"):
        requirements.pinned(tmp_path / "requirements.txt")


def test_installed():
    assert requirements.installed("pytest") == pytest.__version__
    assert requirements.installed("no-such-package") is None
