"""Turns entities into tags and back, for a complete batch at once."""

import torch
from torch import Tensor, nn

from joint_ner_re.modules.entity_spans import EntitySpans
from joint_ner_re.tag_codec import TagCodec


class SpanTagger(nn.Module):
    """Turns spans into tags and tags into spans by the rules of a `TagCodec`.

    It has no parameters, but is a module so that its tables move to the model's device.

    # Parameters

    codec : `TagCodec`
        The scheme.
    """

    _prefix_numbers: Tensor
    _joins: Tensor

    def __init__(self, codec: TagCodec) -> None:
        super().__init__()
        self._prefixes = len(codec.prefixes)
        prefix_numbers = [
            [codec.prefixes.index(codec.prefix(first, last)) for last in (False, True)]
            for first in (False, True)
        ]
        joins = [[codec.joins(before, tag) for tag in codec.tags] for before in codec.tags]
        self.register_buffer("_prefix_numbers", torch.tensor(prefix_numbers), persistent=False)
        self.register_buffer("_joins", torch.tensor(joins, dtype=torch.bool), persistent=False)

    def encode(self, spans: EntitySpans, length: int) -> Tensor:
        """The tags of `spans`, which must not overlap. Shape: (batch, length)."""
        positions = torch.arange(length, device=spans.starts.device)
        starts, ends = spans.starts.unsqueeze(2), spans.ends.unsqueeze(2)
        # Shape of each: (batch, entities, length)
        inside = (positions >= starts) & (positions < ends) & spans.mask.unsqueeze(2)
        prefixes = self._prefix_numbers[
            (positions == starts).long(), (positions == ends - 1).long()
        ]
        tags = 1 + spans.types.unsqueeze(2) * self._prefixes + prefixes
        # At most one entity covers a token, so the sum has one term.
        return (tags * inside).sum(dim=1)

    def last_tags(self, spans: EntitySpans) -> Tensor:
        """The tag of each entity's last token. Shape: (batch, entities)."""
        one_token = (spans.starts == spans.lasts).long()
        prefixes = self._prefix_numbers[one_token, torch.ones_like(one_token)]
        return 1 + spans.types * self._prefixes + prefixes

    def decode(self, tags: Tensor, mask: Tensor, level: int = 0) -> EntitySpans:
        """The entities of `tags`, of shape (batch, length), at real tokens.

        The result equals that of `TagCodec.decode` for each sentence, also for ill-formed
        sequences. All entities get the given `level`.
        """
        tags = tags * mask
        carried = torch.zeros_like(mask)
        carried[:, 1:] = self._joins[tags[:, :-1], tags[:, 1:]]
        carries_on = torch.zeros_like(mask)
        carries_on[:, :-1] = carried[:, 1:]
        # Shape of each: (batch, length)
        first = (tags > 0) & ~carried
        last = (tags > 0) & ~carries_on
        # `first` and `last` list the same entities in the same order, row by row.
        rows, starts = first.nonzero(as_tuple=True)
        ends = last.nonzero(as_tuple=True)[1] + 1
        types = torch.div(tags[rows, starts] - 1, self._prefixes, rounding_mode="floor")
        return EntitySpans.padded(rows, starts, ends, types, tags.size(0), level)
