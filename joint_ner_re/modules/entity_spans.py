"""The entities of a batch as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass
class EntitySpans:
    """The entities of a batch, padded to the largest number of entities in a sentence.

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
        Shape: (batch, entities), the level of each (`tag_codec.tag_levels`): entities of one level
        do not overlap. 0 at padding. Default: all are on level 0.
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
    def gold(cls, annotation: dict[str, Tensor]) -> "EntitySpans":
        """The entities of an `AnnotationField`, on all levels."""
        return cls(**{field.name: annotation[field.name] for field in fields(cls)})

    @classmethod
    def padded(
        cls,
        rows: Tensor,
        starts: Tensor,
        ends: Tensor,
        types: Tensor,
        batch_size: int,
        level: int = 0,
    ) -> "EntitySpans":
        """Pads a flat list of entities, sorted by sentence.

        # Parameters

        rows : `Tensor`
            The sentence of each entity, in ascending order. Shape: (all entities,).
        starts, ends, types : `Tensor`
            As in the class. Shape: (all entities,).
        batch_size : `int`
            The number of sentences.
        level : `int`, optional (default = `0`)
            The level of all entities.
        """
        counts = torch.bincount(rows, minlength=batch_size)
        width = int(counts.max()) if batch_size else 0
        # Each entity's place in its sentence.
        places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]

        def filled(values: Tensor, padding: int) -> Tensor:
            return rows.new_full((batch_size, width), padding).index_put((rows, places), values)

        mask = torch.arange(width, device=rows.device) < counts.unsqueeze(1)
        return cls(filled(starts, 0), filled(ends, 1), filled(types, 0), mask, level * mask.long())

    @classmethod
    def together(cls, groups: "Sequence[EntitySpans]") -> "EntitySpans":
        """The entities of all groups, concatenated."""
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(one, name) for one in groups], dim=1) for name in names))

    def on_level(self, level: int) -> "EntitySpans":
        """The entities of one level; the others are masked."""
        return replace(self, mask=self.mask & (self.levels == level))

    def among(self, others: "EntitySpans") -> Tensor:
        """True at entities that the others also have, on any level. Shape: (batch, entities)."""
        # Shape: (batch, entities, others' entities)
        same = others.mask.unsqueeze(1)
        for name in ("starts", "ends", "types"):
            same = same & (getattr(self, name).unsqueeze(2) == getattr(others, name).unsqueeze(1))
        return self.mask & same.any(dim=2)

    def sorted(self, length: int) -> "EntitySpans":
        """The entities sorted by start, longer ones first, padding last. The sort is stable.

        `length` is the number of tokens of the longest sentence.
        """
        keys = self.starts * (length + 1) + length - self.ends
        keys = keys.masked_fill(~self.mask, (length + 1) ** 2)
        order = keys.sort(dim=1, stable=True).indices
        return EntitySpans(*(getattr(self, f.name).gather(1, order) for f in fields(self)))

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
