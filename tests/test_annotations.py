"""AllenNLP and the checks of options read today's notation of types."""

import pytest
from allennlp.common import FromParams, Lazy, Params
from allennlp.common.checks import ConfigurationError

from joint_ner_re.configuration import CheckedOptions


class Part(FromParams):
    def __init__(self, size: int) -> None:
        self.size = size


class Whole(CheckedOptions, FromParams):
    """All that a constructor of the package or of a user may ask for, in today's notation."""

    def __init__(
        self,
        part: Part | None = None,
        later: Lazy[Part] | None = None,
        several: list[Part] | Part | None = None,
        named: dict[str, Part] | None = None,
        pair: tuple[int, float] = (1, 2.0),
        number: int | None = None,
    ) -> None:
        self.part, self.later, self.several, self.named = part, later, several, named
        self.pair, self.number = pair, number


def test_constructors_may_have_the_types_of_todays_python():
    made = Whole.from_params(
        Params(
            {
                "part": {"size": 1}, "later": {"size": 2}, "several": [{"size": 3}],
                "named": {"a": {"size": 4}}, "pair": [5, 6], "number": 7,
            }
        )
    )  # fmt: skip
    assert (made.part.size, made.later.construct().size, made.several[0].size) == (1, 2, 3)
    assert (made.named["a"].size, made.pair, made.number) == (4, (5, 6), 7)
    assert Whole.from_params(Params({"several": {"size": 8}})).several.size == 8
    nothing = Whole.from_params(Params({"part": None, "number": None}))
    assert (nothing.part, nothing.later, nothing.number) == (None, None, None)
    with pytest.raises(ConfigurationError, match="number is 'x'; expected a whole number"):
        Whole.from_params(Params({"number": "x"}))
    with pytest.raises(ConfigurationError, match="part.sise is no option of Part"):
        Whole.from_params(Params({"part": {"sise": 1}}))
