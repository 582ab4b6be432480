"""Features that no store keeps, on disk until the run ends."""

import tempfile

import numpy as np

from transfer.errors import InputError

_NOWHERE = -1


class Scratch:
    """float32 [D] of pictures 0..`count`-1, in a nameless file in `folder`; memory holds only where
    they lie."""

    def __init__(self, folder, count):
        self._folder, self._file = folder, None
        self._offsets = np.full(count, _NOWHERE, np.int64)

    def holds(self, places):
        """Bool [n]: which of the pictures at `places`, integers [n], it holds."""
        return self._offsets[places] != _NOWHERE

    def put(self, places, features):
        """Adds `features` float32 [n, D]; raises InputError where the disk takes them not."""
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            for place, feature in zip(places, features, strict=True):
                offset = self._file.seek(0, 2)
                data = memoryview(np.ascontiguousarray(feature, np.float32)).cast("B")
                while data:
                    data = data[self._file.write(data) :]
                self._offsets[place] = offset
        except OSError as fault:
            raise InputError(
                f"features can't be written to {self._folder}: {fault}; free space or rights there"
            ) from None

    def get(self, place, length):
        """float32 [length] of the picture at `place`."""
        self._file.seek(self._offsets[place])
        return np.frombuffer(self._file.read(4 * length), np.float32)

    def close(self):
        if self._file is not None:
            self._file.close()
