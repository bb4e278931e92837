"""What numbers in a configuration may be: errors that name the option, before memory is taken."""

from allennlp.common.checks import ConfigurationError

# Of any one size. Recurrent layers of this size would not fit into any machine's memory.
MOST_UNITS = 16_384
MOST_LAYERS = 1_000
# Of the weights of one part: 4 GB in single precision, and four times that in training.
MOST_WEIGHTS = 2**30


def check_probability(name: str, value: float) -> None:
    """Raise a `ConfigurationError` unless `value` is in [0, 1)."""
    if not 0 <= value < 1:
        raise ConfigurationError(f"{name} is {value}; expected at least 0 and less than 1")


def check_size(name: str, value: int, least: int = 1, most: int = MOST_UNITS) -> None:
    """Raise a `ConfigurationError` unless `value` is in [least, most]."""
    if not least <= value <= most:
        raise ConfigurationError(f"{name} is {value}; expected {least} or more, at most {most}")


def check_weights(names: str, count: int) -> None:
    """Raise a `ConfigurationError` if a part would have more weights than can be held.

    `names` are the options that this comes of.
    """
    if count > MOST_WEIGHTS:
        raise ConfigurationError(
            f"{names}: {count} weights, {count * 4 / 1e9:.0f} GB; expected at most {MOST_WEIGHTS}: "
            "choose smaller ones"
        )
