"""The views of a pack: `features` are those of the first that its recipe lists, `features_<view>`,
of equal shape, those of each further one."""

from transfer.errors import InputError

FIRST = "features"


def key(view):
    """The key under which the features of a further `view` stand."""
    return f"{FIRST}_{view}"


def further(recipe, path):
    """The names of the views beyond the first, a list; [] for a recipe that lists none, or for
    None.

    Raises InputError where the list is none of different names.
    """
    if not recipe or "views" not in recipe:
        return []
    names = recipe["views"]
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not names or len(set(names)) < len(names):
        raise InputError(
            f"{path}: the views in its recipe must be a list of different names; received "
            f"{names!r}; extract it again"
        )
    return names[1:]


def require_listed(keys, recipe, path):
    """Raises InputError unless the features among `keys` of a pack are those that `recipe` lists;
    a pack without a recipe is somebody else's, and may hold what it likes."""
    expected = [key(view) for view in further(recipe, path)]
    for name in expected:
        if name not in keys:
            raise InputError(
                f"{path} lacks the key {name!r}, a view that its recipe lists; extract it again"
            )
    for name in keys if recipe is not None else ():
        if isinstance(name, str) and name.startswith(key("")) and name not in expected:
            raise InputError(
                f"{path} holds {name!r}, and its recipe lists no such view; extract it again"
            )
