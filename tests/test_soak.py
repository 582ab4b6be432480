"""The fuzzers' targets under plain random mutations: nothing but a refusal may be raised."""

import contextlib

import pytest

from soak import __main__ as soak
from soak.mutations import mutated
from soak.targets import TARGETS
from transfer.errors import InputError

INPUTS = 300  # of each target; about a second together


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read_and_mutations_read_or_refused(name):
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds == target.seeds()
    for seed in seeds:
        target.read(seed)
        assert len(seed) <= target.largest
    said = []
    for data in mutated(seeds, INPUTS):
        with contextlib.suppress(InputError):
            target.read(data)
            said.append("read")
    assert 0 < len(said) < INPUTS / 2, "the mutations are too weak or too strong to try a reader"


def test_mutations_are_those_of_their_seed():
    seeds = TARGETS["pickles"].seeds()
    assert list(mutated(seeds, 50)) == list(mutated(seeds, 50))
    assert list(mutated(seeds, 50)) != list(mutated(seeds, 50, seed=1))


LOG = """INFO: Running with entropic power schedule
#2\tINITED cov: 40 ft: 51 corp: 1/1b
#4096\tpulse  cov: 60 ft: 715 corp: 9/1kb
Done 18196 runs in 5 second(s)
stat::number_of_executed_units: 18196
"""


def test_the_table_counts_what_the_fuzzer_says():
    assert soak.counted(LOG, 0) == (18196, 5, 715, 0)
    assert soak.counted(LOG, 77)[3] == 1
    with pytest.raises(InputError, match="did not start: No module named atheris"):
        soak.counted("No module named atheris", 1)


def test_an_unknown_target_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown target 'pickle'; known: pickles, archives"):
        soak.main(["1", "pickle"])


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_says_how_it_is_called(capsys, word):
    with pytest.raises(SystemExit) as stop:
        soak.main([word])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: python -m soak [SECONDS] [TARGET ...]\n")
    assert all(name in said for name in TARGETS)


def test_an_option_that_there_is_none_of_ends_with_the_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        soak.main(["--seconds", "3"])
    assert stop.value.code == 2
    assert "usage: python -m soak" in capsys.readouterr().err


def test_no_seconds_are_not_taken_for_ever():
    with pytest.raises(InputError, match="a second at least; received 0"):
        soak.main(["0", "pickles"])
