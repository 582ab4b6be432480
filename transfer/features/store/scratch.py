"""Features that no store keeps, on disk until the run ends."""

import tempfile

import numpy as np

from transfer.errors import InputError

_NOWHERE = -1


class Scratch:
    """Features [D] of `dtype` of pictures 0..`count`-1, in a nameless file in `folder`; memory
    holds only where they lie."""

    def __init__(self, folder, count, dtype):
        self._folder, self._file, self._dtype = folder, None, dtype
        self._offsets = np.full(count, _NOWHERE, np.int64)

    def holds(self, places):
        """Bool [n]: which of the pictures at `places`, integers [n], it holds."""
        return self._offsets[places] != _NOWHERE

    def put(self, places, features):
        """Adds `features` [n, D]; raises InputError where the disk takes them not."""
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            for place, feature in zip(places, features, strict=True):
                offset = self._file.seek(0, 2)
                data = memoryview(np.ascontiguousarray(feature, self._dtype)).cast("B")
                while data:
                    data = data[self._file.write(data) :]
                self._offsets[place] = offset
        except OSError as fault:
            raise InputError(
                f"features can't be written to {self._folder}: {fault}; free space or rights there"
            ) from None

    def get(self, place, length):
        """[length] of the picture at `place`."""
        self._file.seek(self._offsets[place])
        return np.frombuffer(self._file.read(self._dtype.itemsize * length), self._dtype)

    def close(self):
        if self._file is not None:
            self._file.close()
