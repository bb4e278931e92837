"""Writes BioC's JSON: each document is a passage of sentences with annotations and relations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TextIO

from joint_ner_re.corpora.documents import log_changes, parse_sentence_id
from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.files import output
from joint_ner_re.sentence import Sentence


def write(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write a JSON collection, a document in each line, and return the number of sentences.

    Consecutive sentences of a document, with ids such as `report:120-245`, are joined to the
    document: a passage with these sentences. Every other sentence is a document. The text of a
    sentence without one is its tokens joined by spaces. Scores become infons.
    """
    writer = _Writer()
    with output(path) as file:
        file.write('{"source": "", "date": "", "key": "", "infons": {}, "documents": [')
        for sentence in sentences:
            writer.add(sentence.with_text(), file)
        writer.finish(file)
        file.write("]}\n")
    log_changes(path, writer.changes)
    return writer.count


class _Writer:
    """Joins sentences to documents."""

    def __init__(self) -> None:
        self.count = 0
        self.changes: Counter[str] = Counter()
        self._documents = 0
        self._name = ""
        self._length = 0
        self._sentences: list[dict[str, Any]] = []
        self._annotations = 0
        self._relations = 0

    def add(self, sentence: Sentence, file: TextIO) -> None:
        """Take in the next sentence, which must have a text."""
        assert sentence.text is not None
        name, begin = parse_sentence_id(sentence)
        if not (self._sentences and name == self._name and 0 < begin == self._length):
            self.finish(file)
            # What does not begin a document is one of its own.
            self._name = name if begin == 0 else sentence.id
        annotations, relations = self._annotated(sentence, self._length)
        self._sentences.append(
            {
                "offset": self._length,
                "infons": {},
                "text": sentence.text,
                "annotations": annotations,
                "relations": relations,
            }
        )
        self._length += len(sentence.text)
        self.count += 1

    def _annotated(
        self, sentence: Sentence, base: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        assert sentence.text is not None
        annotations: list[dict[str, Any]] = []
        names: dict[int, str] = {}
        for index, entity in enumerate(sentence.entities):
            begin, end = sentence.character_span(entity) or (0, 0)
            if begin == end:
                self.changes["entities without a character, left out"] += 1
                continue
            self._annotations += 1
            names[index] = str(self._annotations)
            annotations.append(
                {
                    "id": names[index],
                    "infons": _infons(entity.type, entity.score),
                    "text": sentence.text[begin:end],
                    "locations": [{"offset": base + begin, "length": end - begin}],
                }
            )
        relations: list[dict[str, Any]] = []
        for relation in sentence.relations:
            if relation.head not in names or relation.tail not in names:
                self.changes["relations of mentions that were left out"] += 1
                continue
            self._relations += 1
            relations.append(
                {
                    "id": f"R{self._relations}",
                    "infons": _infons(relation.type, relation.score),
                    "nodes": [
                        {"refid": names[relation.head], "role": "head"},
                        {"refid": names[relation.tail], "role": "tail"},
                    ],
                }
            )
        return annotations, relations

    def finish(self, file: TextIO) -> None:
        """Write the document that is open, if any."""
        if not self._sentences:
            return
        passage = {
            "offset": 0,
            "infons": {},
            "sentences": self._sentences,
            "annotations": [],
            "relations": [],
        }
        record = {
            "id": self._name or str(self._documents),
            "infons": {},
            "passages": [passage],
            "annotations": [],
            "relations": [],
        }
        file.write(",\n" if self._documents else "\n")
        file.write(json.dumps(record, ensure_ascii=False, allow_nan=False))
        self._documents += 1
        self._sentences, self._length, self._annotations, self._relations = [], 0, 0, 0


def _infons(kind: str, score: float | None) -> dict[str, str]:
    infons = {"type": kind}
    if score is not None:
        infons["score"] = format(Decimal(repr(float(score))), "f")
    return infons
