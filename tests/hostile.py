"""Hostile pickles and archives, built from opcodes and headers: what each does, and its refusal.

`ZOO` holds {kind: (bytes, what the refusal says)}.  `RUN` is the command that must never run: it
leaves the folder `ran`.
"""

import os
import pickle
import struct

import numpy as np


def objects(*items, shape=None):
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array.reshape(shape or array.shape)


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


DTYPE = b"cnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87R"
FROMBUFFER = b"cnumpy.core.numeric\n_frombuffer\n"

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
    "exec by REDUCE": (b"cbuiltins\nexec\n" + TEXT + b"\x85R.", "builtins.exec"),
    "__import__ by REDUCE": (b"cbuiltins\n__import__\nX\x02\0\0\0os\x85R.", "__import__"),
    "subprocess": (b"csubprocess\nPopen\n" + TEXT + b"\x85R.", "subprocess.Popen"),
    "operator.methodcaller": (b"coperator\nmethodcaller\n" + TEXT + b"\x85R.", "methodcaller"),
    "functools.partial": (b"cfunctools\npartial\ncos\nsystem\n\x85R.", "functools.partial"),
    "copyreg._reconstructor": (b"ccopyreg\n_reconstructor\n(NNNtR.", "_reconstructor"),
    "copyreg.add_extension": (b"ccopyreg\nadd_extension\n(NNNtR.", "add_extension"),
    "pickle.loads": (b"cpickle\nloads\nC\x01.\x85R.", "pickle.loads"),
    "numpy.load": (b"cnumpy\nload\nX\x01\0\0\0a\x85R.", "numpy.load"),
    "numpy.memmap": (b"cnumpy\nmemmap\nX\x01\0\0\0a\x85R.", "numpy.memmap"),
    "numpy.fromfile": (b"cnumpy.core.multiarray\nfromfile\n.", "multiarray.fromfile"),
    "numpy.load_library": (b"cnumpy.ctypeslib\nload_library\n.", "load_library"),
    "numpy.savetxt": (b"\x80\x04\x8c\x05numpy\x8c\x07savetxt\x93.", "numpy.savetxt"),
    "a random generator": (b"cnumpy.random._pickle\n__generator_ctor\n)R.", "generator_ctor"),
    "a global's name with a line in it": (
        b"\x80\x04\x8c\x05os\nos\x8c\x06system\x93.",
        "asks for os",
    ),
    "a global's name that is no text": (b"\x80\x04K\x01K\x02\x93.", "can't be understood"),
    "a global inside an array's arguments": (
        b"cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\nK\x00\x85C\x01b\x87R.",
        "os.system",
    ),
    "a dtype by a global": (b"cnumpy\ndtype\ncbuiltins\nobject\n\x89\x88\x87R.", "builtins.object"),
    "BUILD on a list": (b"]}b.", "state"),
    "BUILD twice on one array": (
        array_of(b"K\x00\x85", data=b"C\x00") + b"(K\x01K\x00\x85NNNtb.",
        "second state",
    ),
    "a dtype's state of one part": (
        b"cnumpy\ndtype\nX\x02\0\0\0f8\x89\x88\x87RK\x03\x85b.",
        "can't be understood",
    ),
    "a dtype's size that lies": (
        array_of(b"K\x01\x85", dtype_state=b"(K\x03X\x01\0\0\0<NNNK\x01"),
        "can't be understood",
    ),
    "records with objects": (
        array_of(b")", b"O8", dtype_state=b"(K\x03X\x01\0\0\0|N(X\x01\0\0\0at}J\xff\xff\xff\xff"),
        "records",
    ),
    "a subarray of objects": (
        array_of(b")", b"O8", dtype_state=b"(K\x03X\x01\0\0\0|(K\x01K\x01tNNJ\xff\xff\xff\xff"),
        "records",
    ),
    "a void dtype": (array_of(b")", b"V8"), "dtype V8"),
    "a dtype with a title": (array_of(b")", b"i4,O"), "dtype i4,O"),
    "more axes than the data": (array_of(b"K\x02K\x02\x86", data=b"C\x08" + b"\0" * 8), "holds 8"),
    "less axes than the data": (array_of(b"K\x01\x85", data=b"C\x10" + b"\0" * 16), "holds 16"),
    "a shape of floats": (array_of(b"G\x3f\xf0\0\0\0\0\0\0\x85") + b".", "impossible shape"),
    "a shape of truths": (array_of(b"\x88\x85", data=b"C\x08" + b"\0" * 8) + b".", "impossible"),
    "a shape that is a list": (array_of(b"](K\x01e") + b".", "impossible shape"),
    "an order that is none": (
        FROMBUFFER + b"(C\x08" + b"\0" * 8 + DTYPE + b"K\x01\x85X\x01\0\0\0XtR.",
        "can't be understood",
    ),
    "axes that lie": (
        FROMBUFFER + b"(C\x08" + b"\0" * 8 + DTYPE + b"K\x01\x85X\x01\0\0\0K(K\x00K\x07ttR.",
        "can't be understood",
    ),
    "Fortran order over too little": (
        FROMBUFFER + b"(C\x08" + b"\0" * 8 + DTYPE + b"K\x03K\x01\x86X\x01\0\0\0FtR.",
        "declares an array",
    ),
    "a nested .npy as an array's data": (
        array_of(b"K\x01\x85", data=b"C\x06\x93NUMPY") + b".",
        "declares an array",
    ),
    "a scalar of objects": (
        b"cnumpy.core.multiarray\nscalar\n" + DTYPE.replace(b"f8", b"O8") + b"C\x00\x86R.",
        "objects inside",
    ),
    "EXT2": (b"\x80\x02\x83\x01\0.", "extension"),
    "READONLY_BUFFER": (b"\x80\x05N\x98.", "buffer outside"),
    "a set": (b"\x80\x04\x8f.", "a set"),
    "a frozenset": (b"\x80\x04(\x91.", "a set"),
    "a text of 4 GB": (b"X\xff\xff\xff\xffa.", "cut short"),
    "bytes of 2**63": (b"\x80\x04\x8e" + b"\0" * 7 + b"\x80.", "cut short"),
    "a bytearray of 2**64": (b"\x80\x05\x96" + b"\xff" * 8 + b".", "cut short"),
    "a negative LONG4": (b"\x8b\xff\xff\xff\xff.", "can't be understood"),
    "a memo at -1": (b"Np-1\ng7\n.", "can't be understood"),
    "a memo at 2**32": (b"N0j\xff\xff\xff\xff.", "can't be understood"),
    "a mark that is missing": (b"t.", "can't be understood"),
    "a POP of nothing": (b"0.", "can't be understood"),
    "no value left": (b".", "can't be understood"),
    "an append to a tuple": (b")Na.", "can't be understood"),
    "an item of a list": (b"]NNs.", "can't be understood"),
    "a dict of odd length": (b"(Nd.", "can't be understood"),
    "a dict's key that is a float": (b"}G\0\0\0\0\0\0\0\0Ns.", "key of type float"),
    "a dict's key of 2**80": (b"}\x8a\x0b" + b"\0" * 10 + b"\x01Ns.", "key of type int"),
    "text that is not UTF-8": (b"X\x01\0\0\0\xff.", "can't be understood"),
    "an escape that is none": (b"S'\\x'\n.", "can't be understood"),
    "a string without quotes": (b"Sabc\n.", "can't be understood"),
    "a float that is none": (b"Fabc\n.", "can't be understood"),
    "a memo bomb of dicts": (
        b"}\x94"
        + b"".join(b"}(K\x00h" + bytes([n]) + b"K\x01h" + bytes([n]) + b"u\x94" for n in range(64))
        + b".",
        "nests",
    ),
    "2,000,000 duplicates": (b"N" + b"2" * 2_000_000 + b".", "more than 500000 objects"),
    "1,000,000 memos": (b"N" + b"\x94" * 1_000_000 + b".", "more than 500000 objects"),
}
