"""Settings given as `-S key=value`, the way DVC takes them."""

import yaml

from transfer import params, trees
from transfer.errors import InputError, unknown


def parsed(words):
    """{dotted key of params.yaml: value} of `words` such as "split.seed=3" or
    "extract.views=[plain]"; values are YAML.

    Raises InputError for a word of another form, an unknown key or a value that is not allowed.
    """
    found = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not sign:
            raise InputError(f"-S takes key=value, as -S net=resnet; received {word!r}")
        if key not in params.KEYS:
            raise unknown("key of params.yaml", key, params.KEYS)
        try:
            value = yaml.load(text, trees.Loader) if text else ""
        except yaml.YAMLError:
            raise InputError(f"-S {key} must be a YAML value; received {text!r}") from None
        allowed, must = params.KEYS[key]
        if not allowed(value):
            raise InputError(f"-S {key} must be {must}; received {text!r}")
        found[key] = value
    return found
