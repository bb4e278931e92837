"""Statistics of a part of a corpus, collected sentence by sentence."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from joint_ner_re.sentence import Relation, Sentence


class Part(NamedTuple):
    """A part of a corpus: its name, such as `train`, and its file."""

    name: str
    path: str
    format: str | None = None


class Distribution:
    """The exact distribution of an integer, kept as a count of each distinct value."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, value: int) -> None:
        """Add a value."""
        self.counts[value] += 1

    def percentile(self, percent: int) -> int:
        """The smallest value that `percent` % of the values do not exceed; 0 without values."""
        total = sum(self.counts.values())
        seen = 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen * 100 >= total * percent:
                return value
        return 0

    def to_json(self) -> dict[str, Any]:
        """Mean, median, 95th percentile and maximum."""
        total = sum(self.counts.values())
        sum_of_values = sum(value * count for value, count in self.counts.items())
        return {
            "mean": round(sum_of_values / total, 2) if total else 0.0,
            "median": self.percentile(50),
            "percentile_95": self.percentile(95),
            "max": max(self.counts, default=0),
        }


class PartStatistics:
    """The statistics of a part of a corpus."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        # What the reader changed or left out, by description.
        self.changes: Counter[str] = Counter()
        self.sentence_lengths = Distribution()
        self.entity_lengths = Distribution()
        self.distances = Distribution()
        self.entities: Counter[str] = Counter()
        self.relations: Counter[str] = Counter()

    def add(self, sentence: Sentence) -> None:
        """Add a sentence."""
        overlapping = sentence.overlapping()
        arguments = Counter((r.head, r.tail) for r in sentence.relations)
        self.totals.update(
            {
                "sentences": 1,
                "tokens": len(sentence.tokens),
                "entities": len(sentence.entities),
                "relations": len(sentence.relations),
                "sentences without entities": not sentence.entities,
                "sentences without relations": not sentence.relations,
                "entities that overlap another": len(overlapping),
                "relations with the arguments of another": sum(
                    count for count in arguments.values() if count > 1
                ),
            }
        )
        self.sentence_lengths.add(len(sentence.tokens))
        for entity in sentence.entities:
            self.entities[entity.type] += 1
            self.entity_lengths.add(entity.end - entity.start)
        for relation in sentence.relations:
            self.relations[relation.type] += 1
            self.distances.add(distance(sentence, relation))

    def to_json(self) -> dict[str, Any]:
        """All statistics as a JSON object."""
        return {
            **{name.replace(" ", "_"): self.totals[name] for name in TOTALS},
            "sentence_length": self.sentence_lengths.to_json(),
            "entity_length": self.entity_lengths.to_json(),
            "relation_distance": self.distances.to_json(),
            "entity_types": dict(sorted(self.entities.items())),
            "relation_types": dict(sorted(self.relations.items())),
            "changes": dict(sorted(self.changes.items())),
        }


TOTALS = (
    "sentences",
    "tokens",
    "entities",
    "relations",
    "sentences without entities",
    "sentences without relations",
    "entities that overlap another",
    "relations with the arguments of another",
)


def distance(sentence: Sentence, relation: Relation) -> int:
    """The number of tokens between the relation's two entities; 0 if they overlap."""
    head, tail = sentence.entities[relation.head], sentence.entities[relation.tail]
    return max(0, max(head.start, tail.start) - min(head.end, tail.end))
