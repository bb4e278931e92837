"""The paper's entity finder: a tag for every token, decoded by a CRF."""

from dataclasses import replace

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from torch import Tensor, nn

from joint_ner_re.modules.crf import ConstrainedCrf
from joint_ner_re.modules.entity_finder import EntityFinder
from joint_ner_re.modules.entity_spans import EntitySpans
from joint_ner_re.modules.span_tagger import SpanTagger
from joint_ner_re.modules.tag_scorer import TagScorer
from joint_ner_re.tag_codec import TagCodec

MAX_TAG_LEVELS = 10


class TagLevel(nn.Module):
    """Scores the tags of one level and decodes them."""

    def __init__(self, scorer: TagScorer, crf: ConstrainedCrf) -> None:
        super().__init__()
        self.scorer = scorer
        self.crf = crf


@EntityFinder.register("crf")
class CrfEntityFinder(EntityFinder):
    """Tags every token; a CRF over the well-formed tag sequences decodes (Crone 2020).

    An entity's label, for the relation scorer, is the tag of its last token.

    # Parameters

    input_size : `int`
        Size of a token's state; inferred in a model.
    entity_types : `list[str]`
        Inferred in a model.
    scorer : `Lazy[TagScorer]`, optional
        Scores the tags of every token.
    tag_scheme : `str`, optional (default = `"BIOUL"`)
        `"BIO"` or `"BIOUL"`.
    tag_levels : `int`, optional (default = `1`)
        Overlapping entities need more than one level. Each level has its own scorer and CRF, which
        find the entities of that level (`tag_codec.tag_levels`). All levels read the same states,
        unlike those of Ju et al. 2018, which read one another. Not in the paper.

    # Raises

    `ConfigurationError`
        If an option has an impossible value.
    """

    def __init__(
        self,
        input_size: int,
        entity_types: list[str],
        scorer: Lazy[TagScorer] = Lazy(TagScorer),
        tag_scheme: str = "BIOUL",
        tag_levels: int = 1,
    ) -> None:
        if not 1 <= tag_levels <= MAX_TAG_LEVELS:
            raise ConfigurationError(f"tag_levels is {tag_levels}; expected 1 to {MAX_TAG_LEVELS}")
        try:
            codec = TagCodec(entity_types, tag_scheme)
        except ValueError as error:
            raise ConfigurationError(f"tag_scheme: {error}") from error
        super().__init__(num_labels=len(codec))
        self.codec = codec
        self.levels = nn.ModuleList(
            TagLevel(
                scorer.construct(input_size=input_size, num_tags=len(codec)), ConstrainedCrf(codec)
            )
            for _ in range(tag_levels)
        )
        for level in self.levels[1:]:
            level.scorer.expect_outside()  # type: ignore[union-attr, operator]
        self.span_tagger = SpanTagger(codec)

    def score(self, states: Tensor, mask: Tensor) -> list[Tensor]:
        """The tag scores of each level. Shape of each: (batch, length, tags)."""
        return [level.scorer(states) for level in self.levels]  # type: ignore[operator]

    def findable(self, gold: EntitySpans) -> EntitySpans:
        """Masks the entities on levels that this finder does not have."""
        return replace(gold, mask=gold.mask & (gold.levels < len(self.levels)))

    def loss(self, scores: list[Tensor], mask: Tensor, gold: EntitySpans) -> Tensor:
        """The negative log-likelihood of the gold tags, summed over levels and sentences."""
        total = scores[0].new_zeros(())
        for number, (crf, level_scores) in enumerate(zip(self._crfs, scores)):
            tags = self.span_tagger.encode(gold.on_level(number), mask.size(1))
            total = total - crf.log_likelihood(level_scores, mask, tags).sum()
        return total

    def find(self, scores: list[Tensor], mask: Tensor) -> EntitySpans:
        """The entities of each level's best tags, without duplicates."""
        found: list[EntitySpans] = []
        for number, (crf, level_scores) in enumerate(zip(self._crfs, scores)):
            spans = self.span_tagger.decode(crf.viterbi(level_scores, mask), mask, number)
            for earlier in found:
                spans = replace(spans, mask=spans.mask & ~spans.among(earlier))
            found.append(spans)
        return EntitySpans.together(found)

    def probabilities(self, scores: list[Tensor], mask: Tensor, spans: EntitySpans) -> Tensor:
        """The probability of this exact span and type, by the CRF of the entity's level."""
        result = scores[0].new_zeros(spans.starts.shape)
        for number, (crf, level_scores) in enumerate(zip(self._crfs, scores)):
            tags = self.span_tagger.encode(spans.on_level(number), mask.size(1))
            found = crf.span_probabilities(level_scores, mask, tags, spans.starts, spans.ends)
            result = torch.where(spans.levels == number, found, result)
        return result

    def labels(self, spans: EntitySpans) -> Tensor:
        """The tag of each entity's last token. Shape: (batch, entities)."""
        return self.span_tagger.last_tags(spans)

    @property
    def _crfs(self) -> list[ConstrainedCrf]:
        return [level.crf for level in self.levels]  # type: ignore[misc]
