"""Whether TensorFlow could use a GPU on this machine, without the seconds that importing it takes.

What is looked for are the parts it needs; whether they work together, its own list of devices
tells once it is imported.
"""

import importlib.util
import os
import shutil
from ctypes.util import find_library
from pathlib import Path

DEVICES = Path("/dev")


def lacking():
    """What keeps TensorFlow from a GPU here, in words for people; empty where nothing does."""
    if not is_here():
        return "no NVIDIA GPU here"
    # CUDA takes the listed devices up to the first that is none.
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides the GPU"
    if not _is_built_with_cuda():
        return "this build of TensorFlow can't use a GPU"
    if not _has_libraries():
        return (
            "TensorFlow lacks CUDA's libraries, which `pip install 'tensorflow[and-cuda]'` brings"
        )
    return ""


def is_here():
    """Whether this machine has an NVIDIA GPU, whatever can use it."""
    # Not /proc/driver/nvidia: a container without the device shows the driver of its host.
    on_wsl = (DEVICES / "dxg").exists() and shutil.which("nvidia-smi")
    return bool(on_wsl or next(DEVICES.glob("nvidia[0-9]*"), None))


def allow():
    """Lets TensorFlow use one GPU, the first unless the user names another, and of its memory no
    more than it needs.  To be called before transfer.nets.networks is imported, which hides all."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def _is_built_with_cuda():
    package = importlib.util.find_spec("tensorflow")
    if package is None or package.origin is None:
        return False
    written = Path(package.origin).parent / "python/platform/build_info.py"
    return written.is_file() and "('is_cuda_build', True)" in written.read_text(encoding="utf-8")


def _has_libraries():
    """cuDNN: of the packages that TensorFlow's extra `and-cuda` installs, or of the system."""
    packages = importlib.util.find_spec("nvidia")
    places = (packages and packages.submodule_search_locations) or ()
    return any(Path(place, "cudnn/lib").is_dir() for place in places) or bool(find_library("cudnn"))
