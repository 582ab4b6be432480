"""A state that a fault has spoiled, as the tests of what finds it need one."""

from soak import disturbances, faults, states


def losses(files, work, longer, gone, left):
    """What soak.faults says of the state `work` once its file `longer` is longer, `gone` is gone
    and `left` is left over; before that, it may say nothing.  files: of a state, {path: hash}."""
    ok, expected = disturbances.Ran(0, "", "", 1.0), files(work)
    assert list(faults.losses(ok, 0, expected, files(work))) == []
    space = work / states.SPACE
    with open(space / longer, "a") as file:
        file.write("# more\n")
    (space / gone).unlink()
    (space / left).write_text("x")
    return list(faults.losses(ok, 0, expected, files(work)))
