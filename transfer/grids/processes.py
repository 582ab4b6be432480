"""A stage in a process of its own, its fault passed on."""

import subprocess

from transfer.errors import InputError


def run(words, *, cwd, env):
    """What the command `words` printed, run in the folder `cwd` with the environment `env`.

    Raises InputError with the last line of its stderr where it ends with anything but 0.
    """
    ran = subprocess.run(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if ran.returncode:
        lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        said = lines[-1].removeprefix("error: ") if lines else f"it ended with {ran.returncode}"
        raise InputError(f"`python {' '.join(words[1:3])}`: {said}")
    return ran.stdout
