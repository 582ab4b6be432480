"""What a check has found: all is well, or one sentence with the remedy."""

from dataclasses import dataclass

from transfer.errors import InputError


@dataclass(frozen=True)
class Finding:
    """`name`: of the check; `sentence`: what is there, without a full stop; `remedy`: what to do
    where not all is `ok`, "" where the sentence says it."""

    name: str
    ok: bool
    sentence: str
    remedy: str = ""


def well(name, sentence):
    """The Finding that all is as it should be."""
    return Finding(name, True, sentence)


def off(name, sentence, remedy=""):
    """The Finding that something is not."""
    return Finding(name, False, sentence, remedy)


def guarded(name, check, *given):
    """check(*given), a Finding; where it fails itself, the Finding that says so: what is broken may
    be what a check stands on, and the others are to be told all the same."""
    try:
        return check(*given)
    except InputError as fault:
        return off(name, str(fault))
    except ModuleNotFoundError as fault:
        return off(
            name,
            f"the package {fault.name} is not here",
            "run `make setup` once and `. .venv/bin/activate` in each new shell",
        )
    except OSError as fault:
        return off(
            name,
            f"{fault.filename or 'a file'} can't be used: {fault.strerror or fault}",
            "correct its rights or its path",
        )
    except Exception as fault:  # a traceback would hide what the other checks have to say
        told = " ".join(str(fault).split())
        return off(name, f"this check failed by itself ({type(fault).__name__}: {told})")


def some(names, most, between=", "):
    """The first `most` of the names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
