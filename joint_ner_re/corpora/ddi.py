"""The XML of the DDI corpus (2013): drugs and their interactions, one file for each document.

    <document id="DDI-DrugBank.d1">
      <sentence id="DDI-DrugBank.d1.s0" text="Warfarin increases ...">
        <entity id="DDI-DrugBank.d1.s0.e0" charOffset="0-7" type="drug" text="Warfarin"/>
        <pair id="..." e1="DDI-DrugBank.d1.s0.e0" e2="..." ddi="true" type="effect"/>
      </sentence>
    </document>

`charOffset` counts the characters of the sentence, and its second number is the last character;
`44-46;70-86` is a mention in pieces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, parsed, sentences_of
from joint_ner_re.corpora.errors import ErrorHandler, PathLike, handled
from joint_ner_re.corpora.units import Unit
from joint_ner_re.corpora.xml_elements import (
    Element,
    count_misplaced,
    looks_like_root,
    read_elements,
)
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

_OFFSETS = re.compile(r"[0-9]{1,9}-[0-9]{1,9}(?:;[0-9]{1,9}-[0-9]{1,9})*")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the outermost element is `document`."""
    return looks_like_root(first_lines, "document")


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    discontinuous: str = "drop",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read documents of the DDI corpus. Their sentences are those of the file.

    # Parameters

    path : `str`
        A file, or a directory of them.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the sentences into tokens.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences (with ids such as `DDI-DrugBank.d1:0-54`), not at
        all (`"document"`), or into so many neighbouring sentences each.
    discontinuous : `str`, optional (default = `"drop"`)
        What becomes of mentions in pieces: `"drop"`, `"cover"`, `"first"` or `"split"`; see
        `mentions.DISCONTINUOUS`.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the annotation, or the rest of the file, is passed over.

    # Raises

    `CorpusFormatError`
        If a file is no such XML, an attribute is missing, or an annotation does not fit its text.
    """
    changes: Counter[str] = Counter()
    elements = ((e,) for e in read_elements(path, "document", "document", changes, on_error))
    documents = parsed(
        elements, lambda element: _Document(element, changes, on_error).document(), on_error
    )
    yield from sentences_of(documents, tokenizer, unit, changes, on_error, discontinuous)
    log_changes(path, changes)


class _Document:
    """The sentences of one document, put together."""

    def __init__(
        self, element: Element, changes: Counter[str], on_error: ErrorHandler | None
    ) -> None:
        self._element = element
        self._changes = changes
        self._on_error = on_error
        self._length = 0
        self._texts: list[str] = []
        self._breaks: list[int] = []
        self._mentions: list[Mention] = []
        self._links: list[Link] = []
        self._places: dict[str, int] = {}
        sentences = element.all("sentence")
        read = {"sentence": len(sentences)}
        for tag in ("entity", "pair"):
            read[tag] = sum(len(sentence.all(tag)) for sentence in sentences)
        count_misplaced(element, read, changes)
        for sentence in sentences:
            with handled(on_error):
                self._add_sentence(sentence)

    def document(self) -> Document:
        return Document(
            self._element.path,
            self._element.line,
            self._element.get("id"),
            "".join(self._texts),
            self._mentions,
            self._links,
            breaks=self._breaks,
            sentences_given=True,
        )

    def _add_sentence(self, sentence: Element) -> None:
        text = sentence.get("text")
        if not text.strip():
            self._changes["sentences without a text, left out"] += 1
        elif self._texts:
            # The sentences are the file's, what stands between them is not known.
            self._texts.append(" ")
            self._length += 1
        base = self._length
        self._breaks.append(base)
        self._texts.append(text)
        self._length += len(text)
        for entity in sentence.all("entity"):
            with handled(self._on_error):
                self._add_entity(entity, base)
        for pair in sentence.all("pair"):
            with handled(self._on_error):
                self._add_pair(pair)

    def _add_entity(self, entity: Element, base: int) -> None:
        name, offsets = entity.get("id"), entity.get("charOffset")
        if name in self._places:
            raise entity.error("has an id that stands twice in its document")
        if _OFFSETS.fullmatch(offsets) is None:
            raise entity.error(
                f"has charOffset {quote(offsets, 40)}; expected numbers such as 3-8 or 3-8;12-15"
            )
        pieces = []
        for piece in offsets.split(";"):
            first, last = map(int, piece.split("-"))
            pieces.append((base + first, base + last + 1))
        made = Mention(
            entity.line, entity.get("type"), *pieces[0], pieces=pieces, surface=entity.get("text")
        )
        # No earlier: a mention with an error must not be there for pairs.
        self._places[name] = len(self._mentions)
        self._mentions.append(made)

    def _add_pair(self, pair: Element) -> None:
        answer = pair.get("ddi")
        if answer not in ("true", "false"):
            raise pair.error(f"has ddi {quote(answer, 40)}; expected true or false")
        ends = []
        for role in ("e1", "e2"):
            name = pair.get(role)
            if name not in self._places:
                raise pair.error(f"has {role} {quote(name, 40)}, but no entity has this id")
            ends.append(self._places[name])
        if answer == "false":
            self._changes["pairs that do not interact, not used"] += 1
        elif not pair.attributes.get("type"):
            self._changes["pairs whose interaction has no type, left out"] += 1
        else:
            self._links.append(Link(pair.line, pair.get("type"), *ends))
