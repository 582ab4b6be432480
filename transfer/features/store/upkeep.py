"""What people ask of the store: what is in it, less of it, and whether all of it is sound."""

import json
import re
import time
from pathlib import Path

from transfer.errors import InputError, unknown
from transfer.features.store import keys, values
from transfer.features.store.database import NAME, Database

ACTIONS = ("stat", "gc", "verify")
# A transaction is of no more, so that other processes need not wait long, and that a disk on which
# little room is left has enough for its journal.
STEP = 256  # features looked at or removed, or pages given back
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def answer(action, folder, keep=None):
    """The lines that `action` on the store in `folder` gives; keep: the size for gc, as "20GB".

    Raises InputError for an unknown action, a bad size, one that is lacking or of no use, and
    where no store is or it can't be used.
    """
    if action not in ACTIONS:
        raise unknown("action on the store", action, ACTIONS)
    if (keep is not None) != (action == "gc"):
        raise InputError(
            "store gc needs a size to keep to, as --keep 20GB"
            if action == "gc"
            else f"store {action} takes no --keep, which is of gc alone"
        )
    limit = size(keep) if action == "gc" else None
    path = Path(folder) / NAME
    if not path.is_file():
        raise InputError(f"{path} is not here: no feature was kept yet; `dvc repro` fills it")
    database = Database(folder)
    try:
        if action == "stat":
            return stat(database)
        return [collect(database, limit) if action == "gc" else verify(database)]
    finally:
        database.close()


def size(text):
    """Bytes of a size like 20GB, 1.5 TB, 512MiB or 1000; raises InputError where it is none."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) ?(?:([KMGT]?)(I?)B?)", text.strip().upper())
    if not found or (found[3] and not found[2]):
        raise InputError(f"--keep must be a size such as 20GB or 500MB; received {text!r}")
    unit = _UNITS[found[2]] if not found[3] else 1 << 10 * "KMGT".index(found[2]) + 10
    return round(float(found[1]) * unit)


def stat(database):
    """Lines: where the store is, how much it holds, and what of each recipe, last used first."""

    def look(base):
        rows = base.execute(
            "SELECT r.recipe, r.length, (SELECT count(*) FROM features WHERE recipe = r.id), "
            "(SELECT max(used) FROM batches WHERE recipe = r.id) FROM recipes r "
            "ORDER BY 4 DESC, r.id"
        ).fetchall()
        return rows, _bytes(base)

    rows, held = _demand(database.read(look), database, "read")
    lines = [
        str(database.path),
        f"{sum(row[2] for row in rows):,} features of {len(rows)} recipe{'s' * (len(rows) != 1)}, "
        f"{readable(held)}",
    ]
    for text, length, count, used in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(used)) if used else "never"
        lines.append(
            f"{_named(text)}: {count:,} images, D = {length:,}, "
            f"{readable(count * _size(text, length))}, last used {when}"
        )
    return lines


def collect(database, limit):
    """Removes features, those of the oldest use first, until what is left takes at most `limit`
    bytes, and gives the room back to the disk.  Returns a line."""

    def oldest(base):
        """(how many features were removed, whether more may have to be)."""
        batch = base.execute("SELECT id FROM batches ORDER BY used, id LIMIT 1").fetchone()
        if batch is None or _bytes(base) <= limit:
            return 0, False
        some = "SELECT id FROM features WHERE batch = ? LIMIT ?"
        gone = base.execute(f"DELETE FROM features WHERE id IN ({some})", (*batch, STEP)).rowcount
        if gone < STEP:
            base.execute("DELETE FROM batches WHERE id = ?", batch)
            base.execute("DELETE FROM recipes WHERE id NOT IN (SELECT recipe FROM batches)")
        return gone, True

    before = _demand(database.read(_bytes), database, "read")
    removed = 0
    # As often as what is there now asks for: others may add some as fast as these go.
    for _ in range(_demand(database.read(_count), database, "read")):
        gone, more = _demand(database.write(oldest), database, "written")
        removed += gone
        if not more:
            break
    while _demand(database.write(_shrink), database, "written"):
        pass
    after = _demand(database.read(_bytes), database, "read")
    return (
        f"removed {removed:,} features, the longest unused, and freed "
        f"{readable(max(0, before - after))}; {readable(after)} are kept in {database.path}"
    )


def verify(database):
    """Reads every feature and removes those that are damaged; a line.  Where the file as a whole
    is damaged it is set aside."""
    path, good, bad, last = database.path, 0, 0, 0
    whole = database.read(lambda base: base.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if _demand(whole, database, "read") != "ok":
        database.set_aside(whole)
        return f"{path} was damaged and is filled anew as features are needed"
    while rows := _demand(_after(database, last), database, "read"):
        damaged = [
            (id_,)
            for id_, key, text, image, kept, value, length in rows
            if not (
                isinstance(image, bytes)
                and values.is_sound(key or "", image, kept, value, _size(text, length))
            )
        ]
        if damaged:
            _demand(_remove(database, damaged), database, "written")
        good, bad, last = good + len(rows) - len(damaged), bad + len(damaged), rows[-1][0]
    return f"{good:,} features are sound, {bad:,} were damaged and are removed; in {path}"


def _after(database, last):
    """The next STEP features after the id `last`, with key, text and length of their recipes."""
    query = (
        "SELECT f.id, r.key, r.recipe, f.image, f.checksum, f.value, r.length FROM features f "
        "LEFT JOIN recipes r ON r.id = f.recipe WHERE f.id > ? ORDER BY f.id LIMIT ?"
    )
    return database.read(lambda base: base.execute(query, (last, STEP)).fetchall())


def _remove(database, ids):
    def remove(base):
        base.executemany("DELETE FROM features WHERE id = ?", ids)
        return True

    return database.write(remove)


def _shrink(base):
    """Cuts some free pages off the file; whether there are more."""
    before = base.execute("PRAGMA freelist_count").fetchone()[0]
    # One each: Python's sqlite3 takes a single step of the statement, and a step frees one page.
    for _ in range(min(STEP, before)):
        base.execute("PRAGMA incremental_vacuum(1)")
    return 0 < base.execute("PRAGMA freelist_count").fetchone()[0] < before


def _count(base):
    """How many steps it takes to remove everything, at most."""
    features, batches = (
        base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("features", "batches")
    )
    return features // STEP + batches


def _bytes(base):
    """Bytes of the file's pages in use."""
    size, pages, free = (
        base.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size * (pages - free)


def _demand(found, database, verb):
    if found is None:
        raise InputError(f"{database.path} can't be {verb}; see the warning and try again")
    return found


def _size(text, length):
    """Bytes of a feature of `length` numbers by the recipe `text`; -1 where there is no such."""
    try:
        return keys.dtype_of(text).itemsize * length
    except (ValueError, TypeError, AttributeError):
        return -1


def _named(text):
    """A recipe in a few words."""
    try:
        recipe = json.loads(text)
        return (
            f"{recipe['size']} px, {' + '.join(recipe['layers'])}, {recipe['view']}, "
            f"{recipe['precision']} by {recipe['engine']}, weights {recipe['weights'][:12]}"
        )
    except (ValueError, KeyError, TypeError):
        return "a recipe of another version"


def readable(count):
    """Bytes in the largest unit of which there is one at least."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1000
    return f"{count:.1f} TB"
