"""The pickle reader gives what plain pickle gives for arrays, and refuses all else unrun."""

import contextlib
import io
import pickle
import pickletools
import tarfile

import numpy as np
import pytest

from tests.hostile import Evil, objects
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
