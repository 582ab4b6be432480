"""Features that no store keeps, on disk until the run ends."""

import tempfile

import numpy as np

from transfer.errors import InputError


class Scratch:
    """float32 [D] by name, in a nameless file in `folder`; memory holds only where they lie."""

    def __init__(self, folder):
        self._folder, self._file, self._places = folder, None, {}

    def __contains__(self, name):
        return name in self._places

    def put(self, names, features):
        """Adds `features` float32 [n, D]; raises InputError where the disk takes them not."""
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            for name, feature in zip(names, features, strict=True):
                place = self._file.seek(0, 2)
                data = memoryview(np.ascontiguousarray(feature, np.float32)).cast("B")
                while data:
                    data = data[self._file.write(data) :]
                self._places[name] = place
        except OSError as fault:
            raise InputError(
                f"features can't be written to {self._folder}: {fault}; free space or rights there"
            ) from None

    def get(self, name, length):
        """float32 [length] of `name`."""
        self._file.seek(self._places[name])
        return np.frombuffer(self._file.read(4 * length), np.float32)

    def close(self):
        if self._file is not None:
            self._file.close()
