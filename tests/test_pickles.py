"""The pickle reader gives what plain pickle gives for arrays, and refuses all else unrun."""

import contextlib
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from transfer.errors import InputError
from transfer.pickles import reader as pickles

PROTOCOLS = range(6)
DTYPES = "? i1 <i2 >i4 u8 f2 <f4 >f8 c8 c16 S3 <U2 >U2".split()
SHAPES = [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 3, 4)]


def same(ours, plain):
    """Asserts equal types and values all through; byte order aside, which NumPy makes native."""
    assert type(ours) is type(plain)
    if isinstance(ours, np.ndarray):
        assert ours.dtype.newbyteorder("=") == plain.dtype.newbyteorder("=")
        assert ours.shape == plain.shape
        assert ours.flags.c_contiguous == plain.flags.c_contiguous
        assert ours.flags.f_contiguous == plain.flags.f_contiguous
        if not ours.dtype.hasobject:
            return np.testing.assert_array_equal(ours, plain)
        ours, plain = ours.ravel().tolist(), plain.ravel().tolist()
    if isinstance(ours, dict):
        assert list(ours) == list(plain)
        ours, plain = list(ours.values()), list(plain.values())
    if isinstance(ours, list | tuple):
        assert len(ours) == len(plain)
        return [same(a, b) for a, b in zip(ours, plain, strict=True)]
    return np.testing.assert_equal(ours, plain)  # where nan equals nan


def objects(*items, shape=None):
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array.reshape(shape or array.shape)


WEIGHTS = objects({"conv1": [np.ones((3, 3, 2), "f4"), np.zeros(2)]}, shape=())
TABLE = objects(1, "a", None, 2.5, b"x", (1, [2]), shape=(2, 3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_equal_plain_pickle(dtype):
    for shape in SHAPES:
        array = (np.arange(np.prod(shape, dtype=int)) % 7).astype(dtype).reshape(shape)
        turned = array.transpose(np.roll(range(array.ndim), 1)) if array.ndim else array
        strided = array[::2] if array.ndim else array[()]
        for value in (array, np.asfortranarray(array), array.T, turned, strided):
            for protocol in PROTOCOLS:
                data = pickle.dumps(value, protocol)
                same(pickles.load(data), pickle.loads(data))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, -1, 300, 70_000, -(2**31), 2**40, -(2**63), 2**200, 1.5, float("nan")),
        *(
            "",
            "é\n\\'\"",
            "\U0001f600",
            b"",
            b"ab\xff",
            "long" * 100,
            b"long" * 100,
            bytearray(b"x"),
        ),
        *([], (), {}, (1,), (1, b"x"), (1, 2, 3), (1, 2, 3, "4"), [[1], [(2,)]], list(range(2000))),
        *({"a": (np.ones(2), b"x")}, {b"k": 1, 3: 4, True: 5}, np.dtype("f4"), np.dtype(">U7")),
        *(
            np.float32(2),
            np.bool_(True),
            np.complex64(1j),
            np.str_("ab"),
            np.str_(""),
            np.bytes_(b""),
        ),
        *(WEIGHTS, TABLE, TABLE.T, objects([1, 2], np.ones(3)), objects()),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_equal_plain_pickle(value):
    for protocol in PROTOCOLS:
        if isinstance(value, bytearray) and protocol < 5:  # by a global that arrays never need
            continue
        data = pickle.dumps(value, protocol)
        same(pickles.load(data), pickle.loads(data))


def test_shared_parts_stay_shared():
    row = [1, 2]
    data = pickle.dumps({"a": row, "b": (row, row)})
    tree = pickles.load(data)
    assert tree["a"] is tree["b"][0] is tree["b"][1]


# As Python 2 wrote them, by hand: {'data': uint8 [2, 2], 'labels': [6, 9]}.
PYTHON2 = {
    "protocol 0": b"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\n"
    b"p3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n(I1\n(I2\nI2\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\n"
    b"tp11\nRp12\n(I3\nS'|'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'\\x00\\xff\\'\\n'\np15\ntp16\nbs"
    b"S'labels'\np17\n(lp18\nI6\naL9L\nas.",
    "protocol 2": b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03"
    b"cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K"
    b"\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x04\x00\x00\x00"
    b"\x00\xff'\ntbU\x06labels]q\x08(K\x06\x8a\x01\x09eu.",
}


@pytest.mark.parametrize("form", PYTHON2)
def test_python2_pickles(form):
    tree = pickles.load(PYTHON2[form])
    same(tree, pickle.loads(PYTHON2[form], encoding="latin1"))
    assert tree["data"].tolist() == [[0, 255], [39, 10]]
    assert tree["labels"] == [6, 9]


def test_python2_strings_are_latin1():
    data = b"\x80\x02(U\x02\xe9aT\x02\x00\x00\x00\xffbU\x01x\x85t."
    assert pickles.load(data) == ("éa", "ÿb", ("x",))


def test_array_data_are_views_of_the_file(tmp_path):
    path = tmp_path / "a.p"
    path.write_bytes(pickle.dumps(np.arange(1000), 4))
    array = pickles.load(path)
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert array.sum() == 499_500


def test_sources():
    data = pickle.dumps({"a": 1})
    assert pickles.load(memoryview(data)) == pickles.load(bytearray(data)) == {"a": 1}


# Hostile files.  `RUN` is the command that must never run: it leaves the folder `ran`.

RUN = b"mkdir ran"
TEXT = b"X" + struct.pack("<I", len(RUN)) + RUN
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


class Evil:
    """Pickled by plain pickle, it would run `RUN` when read."""

    def __reduce__(self):
        return os.system, (RUN.decode(),)


def array_of(
    shape, dtype=b"f8", data=b"C\x00", dtype_state=b"(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xff"
):
    """Opcodes of an array whose state says what it is told to."""
    dtype = b"cnumpy\ndtype\nX" + struct.pack("<I", len(dtype)) + dtype + b"\x89\x88\x87R"
    dtype += dtype_state + b"J\xff\xff\xff\xffK\x00tb"
    return RECONSTRUCT + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def long(value):
    return b"\x8a\x09" + value.to_bytes(9, "little")


def doubling(levels):
    """A list of two references to a list of two references to ..., `levels` deep."""
    return b"]\x94" + b"".join(
        b"](h" + bytes([n]) + b"h" + bytes([n]) + b"e\x94" for n in range(levels)
    )


def object_bomb():
    """A thousand arrays over one list of 10,000 objects, 80 kB each."""
    shape = b"M\x10\x27\x85"
    state = array_of(shape, b"O8", b"h\x00", b"(K\x03X\x01\0\0\0|NNNJ\xff\xff\xff\xff")
    return b"](" + b"N" * 10_000 + b"e\x94" + b"(" + state * 1000 + b"t."


ZOO = {
    "os.system by GLOBAL": (b"cos\nsystem\n" + TEXT + b"\x85R.", "os.system"),
    "os.system by STACK_GLOBAL": (
        b"\x80\x04\x8c\x02os\x8c\x06system\x93" + TEXT + b"\x85R.",
        "os.system",
    ),
    "posix.system": (pickle.dumps(Evil()), "posix.system"),
    "eval by REDUCE": (b"c__builtin__\neval\nX\x01\0\0\x001\x85R.", "eval"),
    "getattr by REDUCE": (b"cbuiltins\ngetattr\n(NNtR.", "getattr"),
    "numpy's own way to run": (b"cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
    "a dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "tofile"),
    "BUILD with __setstate__": (b"}}X\x0c\0\0\0__setstate__cos\nsystem\nsb.", "os.system"),
    "BUILD on a dict": (b"}}b.", "state"),
    "BUILD on a global": (b"cnumpy\nndarray\n}b.", "state"),
    "EXT1": (b"\x80\x02\x82\x01.", "extension"),
    "EXT4": (b"\x80\x02\x84\x01\0\0\0.", "extension"),
    "PERSID": (b"(Pabc\n.", "persistent"),
    "BINPERSID": (b"\x80\x02NQ.", "persistent"),
    "INST": (b"(S'" + RUN + b"'\nios\nsystem\n.", "os.system"),
    "OBJ": (b"(cos\nsystem\n" + TEXT + b"o.", "os.system"),
    "OBJ of ndarray": (b"(cnumpy\nndarray\no.", "instance"),
    "NEWOBJ": (b"\x80\x02cnumpy\nndarray\n)\x81.", "instance"),
    "NEWOBJ_EX": (b"\x80\x04cnumpy\nndarray\n)}\x92.", "instance"),
    "NEXT_BUFFER": (b"\x80\x05\x97.", "buffer outside"),
    "a call of ndarray": (b"cnumpy\nndarray\n" + long(2**40) + b"\x85R.", "call of ndarray"),
    "a call of text": (b"X\x01\0\0\0a)R.", "can't be understood"),
    "another array class": (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nmatrix\nK\x00\x85C\x01b\x87R.",
        "numpy.matrix",
    ),
    "a global as a value": (b"]cnumpy\nndarray\na.", "ndarray as a value"),
    "a codec": (b"c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R.", "codec zip"),
    "a bytes bomb": (b"cbuiltins\nbytes\n" + long(2**40) + b"\x85R.", r"bytes\(\)"),
    "a hostile dtype": (array_of(b")", b"f8,(2**40)f8"), "dtype f8,"),
    "a dtype of dates": (array_of(b")", b"M8"), "dtype M8"),
    "a huge dtype": (array_of(b")", b"U999999999"), "dtype U999999999"),
    "records": (
        array_of(b")", b"f8", dtype_state=b"(K\x03X\x01\0\0\0|N(X\x01\0\0\0at}J\xff\xff\xff\xff"),
        "records",
    ),
    "a huge shape": (array_of(long(2**39) + b"\x85") + b".", "declares an array"),
    "an impossible shape": (array_of(long(2**62) + b"K\x00\x86") + b".", "impossible shape"),
    "a negative shape": (array_of(b"J\xff\xff\xff\xff\x85") + b".", "impossible shape"),
    "many axes": (array_of(b"(" + b"K\x01" * 99 + b"t") + b".", "impossible shape"),
    "no bytes an element": (array_of(long(2**39) + b"\x85", b"S0") + b".", "declares an array"),
    "text that is none": (
        array_of(b"K\x01\x85", b"U1", b"C\x04\xff\xff\xff\xff", b"(K\x03X\x01\0\0\0<NNNK\x04")
        + b".",
        "characters that do not exist",
    ),
    "a shape of memo bombs": (
        doubling(64) + array_of(b"h\x40\x85") + b".",
        "impossible shape",
    ),
    "a scalar without a dtype": (
        b"cnumpy.core.multiarray\nscalar\nNC\x00\x86R.",
        "objects inside",
    ),
    "objects in a buffer": (
        array_of(b"K\x01\x85", b"O8", b"C\x08" + b"\x01" * 8) + b".",
        "can't be understood",
    ),
    "a hostile object in an array": (pickle.dumps(objects(1, Evil())), "posix.system"),
    "an array in itself": (
        RECONSTRUCT + b"\x94]h\x00a.",
        "without its data",
    ),
    "a list in itself": (b"]\x94h\x00a.", "contains itself"),
    "a tuple in itself": (b"]\x94h\x00\x85a.", "contains itself"),
    "a dict in itself": (b"}\x94K\x01h\x00s.", "contains itself"),
    "a memo bomb of lists": (doubling(64) + b".", "nests"),
    "a memo bomb of tuples": (
        b")\x94"
        + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86\x94" for n in range(64))
        + b".",
        "nests",
    ),
    "an encode bomb": (
        b"X"
        + struct.pack("<I", 100_000)
        + b"a" * 100_000
        + b"\x94X\x06\0\0\0latin1\x94(0("
        + b"c_codecs\nencode\nh\x00h\x01\x86R" * 500
        + b"t.",
        "more data than it holds",
    ),
    "an object bomb": (object_bomb(), "more than 500000 objects"),
    "40,000 nested lists": (b"]" * 40_000 + b"a" * 39_999 + b".", "nests"),
    "40,000 nested tuples": (b")" + b"\x85" * 40_000 + b".", "nests"),
    "100,000 nested lists": (b"]" * 100_000 + b"a" * 99_999 + b".", "more than 500000 objects"),
    "3,000,000 dicts": (b"(" + b"}" * 3_000_000 + b"t.", "more than 500000 objects"),
    "3,000,000 marks": (b"(" * 3_000_000 + b".", "more than 500000 objects"),
    "keys that could collide": (b"}(NtNs.", "key of type tuple"),
    "a huge integer": (b"\x8b\xff\xff\xff\x7f" + b"\xff" * 999, "can't be understood"),
    "huge digits": (b"I" + b"9" * 1_000_000 + b"\n.", "can't be understood"),
    "a huge string": (b"\x8d" + b"\xff" * 8 + b".", "cut short"),
    "a huge frame": (b"\x80\x04\x95" + b"\xff" * 8 + b".", "cut short"),
    "a memo of nothing": (b"h\x07.", "can't be understood"),
    "a tuple of nothing": (b"\x80\x02\x87.", "can't be understood"),
    "a line without end": (b"S'" + b"a" * 1000, "cut short"),
    "a wrong protocol": (b"\x80\x63N.", "protocol 99"),
    "an unknown opcode": (b"\x80\x04\xfe.", "not a pickle"),
    "no pickle": (b"\x89PNG\r\n\x1a\n", "not a pickle|persistent"),
    "a page": (b"<!DOCTYPE html>", "not a pickle"),
    "trailing bytes": (pickle.dumps(1) + b"more", "4 bytes after its end"),
    "nothing": (b"", "cut short"),
}


@pytest.mark.parametrize("kind", ZOO)
def test_hostile_pickles_are_refused(kind, tmp_path, monkeypatch):
    data, says = ZOO[kind]
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    with pytest.raises(InputError, match=says) as fault:
        pickles.load(data, "gift.p")
    assert time.perf_counter() - start < 2  # about .5 s at worst; the machine may be busy
    assert str(fault.value).startswith("gift.p ")
    assert len(str(fault.value)) < 400
    assert "\n" not in str(fault.value)
    assert list(tmp_path.iterdir()) == []


def test_hostile_pickles_take_little_memory():
    bombs = [kind for kind in ZOO if "bomb" in kind or "00" in kind or "huge" in kind]
    program = (
        "import resource, sys; sys.path.insert(0, 'tests')\n"
        "import test_pickles as t\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"for kind in {bombs}:\n"
        "    try: t.pickles.load(t.ZOO[kind][0])\n"
        "    except t.InputError: pass\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert int(done.stdout) < 200  # MB


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_anywhere_is_refused(protocol):
    data = pickle.dumps({"features": np.ones((3, 2), "f4"), "labels": [1, 2], "x": "é"}, protocol)
    for end in range(len(data)):
        with pytest.raises(InputError):
            pickles.load(data[:end])


def test_damage_never_escapes_as_another_fault():
    rng = np.random.default_rng(0)
    for protocol in PROTOCOLS:
        whole = pickle.dumps([np.ones((3, 2)), WEIGHTS, {"a": np.float32(1), "b": b"x"}], protocol)
        for _ in range(300):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), rng.integers(1, 4)):
                data[at] = rng.integers(0, 256)
            with contextlib.suppress(InputError):  # luck may leave it whole
                pickles.load(bytes(data))


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(InputError, match=r"a\.p is not here"):
        pickles.load(tmp_path / "a.p")
    (tmp_path / "b.p").touch()
    with pytest.raises(InputError, match=r"b\.p is empty"):
        pickles.load(tmp_path / "b.p")
    with pytest.raises(InputError, match="can't be read"):
        pickles.load(tmp_path)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((3, 2), "f4"),
        np.arange(6).reshape(2, 3).T,
        np.array("ab"),
        np.zeros(0),
        WEIGHTS,
        TABLE,
    ],
    ids=str,
)
def test_npy_equals_numpy(array, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    same(pickles.load_npy(path), np.load(path, allow_pickle=True))


def npy(array):
    with io.BytesIO() as file:
        np.save(file, array, allow_pickle=True)
        return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (npy(objects({"conv1": [Evil()]}, shape=())), "posix.system"),
        (npy(np.ones(3)).replace(b"(3,)", b"(4,)"), "declares an array"),
        (npy(np.ones(3)).replace(b"(3,), }       ", b"(3000000000,)}"), "declares an array|header"),
        (npy(np.ones(3))[:-1], "declares an array"),
        (npy(np.ones(3)).replace(b"'<f8'", b"'|V8'"), "header"),
        (npy(np.ones(3)).replace(b"False", b"bad()"), "header"),
        (npy(TABLE).replace(b"(2, 3)", b"(3, 2)"), "its content is not that"),
        (npy(np.zeros(3, "i4,f4")), "header"),
        (b"PK\x03\x04" + bytes(40), "not a .npy file"),
        (b"\x93NUMPY", "not a .npy file"),
    ],
)
def test_hostile_npy_files_are_refused(data, says, tmp_path, monkeypatch):
    (tmp_path / "a.npy").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        pickles.load_npy(tmp_path / "a.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


# Real files.


@pytest.mark.parametrize("name", ["bvlc_googlenet.npy", "squeezenet_v1.1.npy"])
def test_published_weights_equal_numpy(name, mirror):
    plain = np.load(mirror / name, allow_pickle=True, encoding="latin1")
    same(pickles.load_npy(mirror / name), plain)


def test_the_courses_pickle_equals_plain(mirror):
    with (mirror / "train.p").open("rb") as file:
        same(pickles.load(mirror / "train.p"), pickle.load(file, encoding="latin1"))


def test_cifar_batches_equal_plain(mirror):
    with tarfile.open(mirror / "cifar-10-python.tar.gz") as archive:
        for member in archive:
            if member.isfile() and "batch" in member.name:
                data = archive.extractfile(member).read()
                assert next(pickletools.genops(data))[1] == 2
                same(pickles.load(data, member.name), pickle.loads(data, encoding="latin1"))
