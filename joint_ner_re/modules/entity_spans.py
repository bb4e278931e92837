"""Entities as tensors: from spans to tags and back, with no loop over sentences."""

from dataclasses import dataclass, fields, replace
from typing import Dict, Sequence

import torch
from torch import Tensor, nn

from joint_ner_re.tag_codec import TagCodec


@dataclass
class EntitySpans:
    """The entities of a batch, padded to the largest number in a sentence.

    # Parameters

    starts : `Tensor`
        Shape: (batch, entities), first token of each; 0 at padding.
    ends : `Tensor`
        Shape: (batch, entities), the token after the last; 1 at padding.
    types : `Tensor`
        Shape: (batch, entities), index of the type; 0 at padding.
    mask : `Tensor`
        Shape: (batch, entities), true at real entities.
    levels : `Tensor`, optional
        Shape: (batch, entities), the level of tags that holds each (`tag_codec.tag_levels`); 0 at
        padding. Default: all are on the first.
    """

    starts: Tensor
    ends: Tensor
    types: Tensor
    mask: Tensor
    levels: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.levels is None:
            self.levels = torch.zeros_like(self.starts)

    @classmethod
    def gold(cls, annotation: Dict[str, Tensor], levels: int = 1) -> "EntitySpans":
        """What an `AnnotationField`'s tensors hold; what is on further levels is masked."""
        spans = cls(**{field.name: annotation[field.name] for field in fields(cls)})
        return replace(spans, mask=spans.mask & (spans.levels < levels))

    @classmethod
    def together(cls, parts: "Sequence[EntitySpans]") -> "EntitySpans":
        """The entities of all parts, one part after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts], dim=1) for name in names))

    def on_level(self, level: int) -> "EntitySpans":
        """The entities of one level; the others are masked."""
        return replace(self, mask=self.mask & (self.levels == level))

    def among(self, others: "EntitySpans") -> Tensor:
        """True at entities that the others have, too, on any level. Shape: (batch, entities)."""
        # Shape: (batch, entities, others' entities)
        same = others.mask.unsqueeze(1)
        for name in ("starts", "ends", "types"):
            same = same & (getattr(self, name).unsqueeze(2) == getattr(others, name).unsqueeze(1))
        return self.mask & same.any(dim=2)

    def order(self, length: int) -> Tensor:
        """Where to find the entities in the order of their starts, of two the longer first.

        Padding comes last. For sentences of `length` tokens. Shape: (batch, entities).
        """
        keys = self.starts * (length + 1) + length - self.ends
        return keys.masked_fill(~self.mask, (length + 1) ** 2).sort(dim=1, stable=True).indices

    def take(self, places: Tensor) -> "EntitySpans":
        """The entities at these places. Shape: (batch, entities)."""
        return EntitySpans(*(getattr(self, f.name).gather(1, places) for f in fields(self)))

    @property
    def lasts(self) -> Tensor:
        """The last token of each entity. Shape: (batch, entities)."""
        return self.ends - 1

    @property
    def pairs(self) -> Tensor:
        """True at ordered pairs of two different real entities.

        Shape: (batch, entities, entities)
        """
        both = self.mask.unsqueeze(2) & self.mask.unsqueeze(1)
        return both & ~torch.eye(both.size(1), dtype=torch.bool, device=both.device)


class SpanTagger(nn.Module):
    """Turns spans into tags and tags into spans by the rules of a `TagCodec`.

    It has no parameters; it is a module so that its tables follow the model to its device.

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
        """The tags that hold `spans`, which must not overlap. Shape: (batch, length)."""
        positions = torch.arange(length, device=spans.starts.device)
        starts, ends = spans.starts.unsqueeze(2), spans.ends.unsqueeze(2)
        # Shape of each: (batch, entities, length)
        inside = (positions >= starts) & (positions < ends) & spans.mask.unsqueeze(2)
        prefixes = self._prefix_numbers[
            (positions == starts).long(), (positions == ends - 1).long()
        ]
        tags = 1 + spans.types.unsqueeze(2) * self._prefixes + prefixes
        # Flat entities: at most one covers a token.
        return (tags * inside).sum(dim=1)

    def decode(self, tags: Tensor, mask: Tensor, level: int = 0) -> EntitySpans:
        """The entities that `tags`, of shape (batch, length), hold at real tokens.

        Equal to `TagCodec.decode` of each sentence, for ill-formed sequences too. They are said
        to be of `level`.
        """
        tags = tags * mask
        carried = torch.zeros_like(mask)
        carried[:, 1:] = self._joins[tags[:, :-1], tags[:, 1:]]
        carries_on = torch.zeros_like(mask)
        carries_on[:, :-1] = carried[:, 1:]
        # Shape of each: (batch, length)
        first = (tags > 0) & ~carried
        last = (tags > 0) & ~carries_on
        counts = first.sum(dim=1)
        # Row by row both run through the same entities in the same order.
        rows, starts = first.nonzero(as_tuple=True)
        ends = last.nonzero(as_tuple=True)[1] + 1
        slots = (first.long().cumsum(dim=1) - 1)[rows, starts]
        shape = (tags.size(0), int(counts.max()) if counts.numel() else 0)

        def padded(values: Tensor, padding: int) -> Tensor:
            return tags.new_full(shape, padding).index_put((rows, slots), values)

        types = torch.div(tags[rows, starts] - 1, self._prefixes, rounding_mode="floor")
        mask = torch.arange(shape[1], device=tags.device) < counts.unsqueeze(1)
        return EntitySpans(
            padded(starts, 0), padded(ends, 1), padded(types, 0), mask, level * mask.long()
        )
