"""The entry points of spaCy: the component's factory and the tokenizer.

spaCy imports the modules of all entry points for every pipeline, even for one that does not use
them. So this module is outside the package and imports the package only when it is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from spacy.language import Language
from spacy.tokenizer import Tokenizer

if TYPE_CHECKING:
    from joint_ner_re.spacy_component import JointComponent


@Language.factory(
    "joint_ner_re",
    assigns=["doc.ents", "doc._.joint_entities", "doc._.relations", "span._.joint_score"],
    default_config={
        "archive": None,
        "cuda_device": -1,
        "batch_size": 256,
        "keep_entities": True,
        "split_sentences": True,
    },
)
def make_joint_component(
    nlp: Language,
    name: str,
    archive: str | None,
    cuda_device: int,
    batch_size: int,
    keep_entities: bool,
    split_sentences: bool,
) -> "JointComponent":
    """The factory behind `nlp.add_pipe("joint_ner_re")`; see `JointComponent` for the settings."""
    from joint_ner_re.spacy_component import JointComponent

    return JointComponent(name, archive, cuda_device, batch_size, keep_entities, split_sentences)


def make_fine_tokenizer() -> Callable[[Language], Tokenizer]:
    """The factory behind `{"@tokenizers": "joint_ner_re.fine.v1"}`; see `FineTokenizer`."""

    def make(nlp: Language) -> Tokenizer:
        from joint_ner_re.spacy_tokenizers import FineTokenizer

        return FineTokenizer.of(nlp)

    return make
