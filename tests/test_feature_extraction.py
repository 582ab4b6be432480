"""The course's command line: what it prints, what it reads, what it refuses."""

import io
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import feature_extraction
from tests.examples import blobs, write_pack


@pytest.fixture
def files(tmp_path):
    """The course's form of pack: [N, 1, 1, D] and labels [N, 1], by plain pickle."""
    paths = []
    for name, (x, y) in (("train", blobs()), ("validation", blobs(30, seed=1))):
        paths.append(tmp_path / f"{name}.p")
        dump(paths[-1], x[:, None, None, :], y[:, None])
    return paths


def dump(path, features, labels, protocol=2):
    path.write_bytes(pickle.dumps({"features": features, "labels": labels}, protocol))


def run(train, validation, *more):
    names = ["--training_file", str(train), "--validation_file", str(validation)]
    feature_extraction.main([*names, *more])


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


LINE = re.compile(
    r"70/70 \[={30}\] - \d+s - loss: \d+\.\d{4} - acc: \d\.\d{4} "
    r"- val_loss: \d+\.\d{4} - val_acc: \d\.\d{4}"
)


def test_prints_what_keras_printed(files, capsys):
    run(*files, "--epochs", "3", "--batch_size", "32")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("(70, ")
    assert lines[1].startswith("(30, ")
    assert lines[2] == "Train on 70 samples, validate on 30 samples"
    assert lines[3::2] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert len(lines[4::2]) == 3
    assert all(LINE.fullmatch(line) for line in lines[4::2])


def test_defaults_are_the_labs(files, capsys):
    run(*files)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "Epoch 50/50"
    given = feature_extraction.arguments(["--training_file=a", "--validation_file=b"])
    assert (given.epochs, given.batch_size) == (50, 256)


def test_reads_our_own_packs_and_odd_labels(tmp_path, capsys):
    x, y = blobs()
    write_pack(tmp_path / "train.p", x, y)
    write_pack(tmp_path / "validation.p", *blobs(30, seed=1))
    run(tmp_path / "train.p", tmp_path / "validation.p", "--epochs", "1")
    ours = capsys.readouterr().out.splitlines()[-1]
    # Four distinct labels make four classes, whatever their values.
    dump(tmp_path / "train.p", x, y * 10 + 3)
    other = blobs(30, seed=1)
    dump(tmp_path / "validation.p", other[0], other[1] * 10 + 3)
    run(tmp_path / "train.p", tmp_path / "validation.p", "--epochs", "1")
    assert capsys.readouterr().out.splitlines()[-1] == ours


def test_a_terminal_sees_a_live_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, clock = Terminal(), iter(range(100))
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(feature_extraction.time, "monotonic", lambda: next(clock))
    display = feature_extraction.Display(1000, 1)
    display.batch(256, {"loss": 2.3, "acc": 0.1})
    display.batch(1000, {"loss": 2.2, "acc": 0.1})  # the last one waits for the validation
    display.epoch(1, {"loss": 0.0005, "acc": 0.1, "val_loss": 2.0, "val_acc": 0.2})
    drawn = terminal.getvalue().split("\r")
    assert drawn[0] == "Epoch 1/1\n"
    assert (
        drawn[1]
        == " 256/1000 [======>.......................] - ETA: 2s - loss: 2.3000 - acc: 0.1000"
    )
    full = "=" * 30
    assert drawn[2].startswith(
        f"1000/1000 [{full}] - 3s - loss: 5.0000e-04 - acc: 0.1000 - val_loss"
    )
    assert drawn[2].endswith("\n")
    assert len(drawn) == 3


def test_bar_shows_the_share():
    assert feature_extraction.bar(0, 60) == " 0/60 [" + "." * 30 + "]"
    assert feature_extraction.bar(2, 60) == " 2/60 [>" + "." * 29 + "]"
    assert feature_extraction.bar(60, 60) == "60/60 [" + "=" * 30 + "]"


def test_bad_packs_are_one_sentence(files, tmp_path, capsys):
    train, validation = files
    x, y = blobs()
    assert "missing.p" in fails(capsys, tmp_path / "missing.p", validation)
    bad = tmp_path / "bad.p"
    dump(bad, x[:, :9], y)
    message = fails(capsys, train, bad)
    assert "bad.p has 9 features an image" in message
    assert "train.p has 10" in message
    dump(bad, x, y[:9])
    assert re.search(r"70.* 9|9 .*70", fails(capsys, bad, validation))
    dump(bad, x, y + 2)
    assert "bad.p has labels that" in fails(capsys, train, bad)
    dump(bad, x[:0], y[:0])
    assert "no images" in fails(capsys, train, bad)
    bad.write_bytes(b"not a pickle")
    assert "bad.p" in fails(capsys, bad, validation)


class Evil:
    def __reduce__(self):
        return (print, ("this code must not run",))


def test_a_pickle_that_runs_code_is_refused(files, tmp_path, capsys):
    bad = tmp_path / "bad.p"
    bad.write_bytes(pickle.dumps({"features": Evil(), "labels": np.zeros(3)}))
    assert "bad.p" in fails(capsys, bad, files[1])
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many"])
@pytest.mark.parametrize("option", ["--epochs", "--batch_size"])
def test_values_are_checked(files, capsys, option, value):
    with pytest.raises(SystemExit):
        run(*files, f"{option}={value}")
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: must be a whole number from 1; received '{value}'" in message


def test_as_a_command(files):
    command = [sys.executable, feature_extraction.__file__]
    options = ["--training_file", files[0], "--validation_file", files[1], "--epochs", "1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert LINE.fullmatch(done.stdout.splitlines()[-1])
    assert done.stderr == ""
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("--training_file", "--validation_file", "50", "256", "example:"):
        assert word in shown
