"""BioC, in XML or in JSON: collections of documents in passages, with annotations and relations.

    <collection><document><id>1</id>
      <passage><offset>0</offset><text>Nervelin relieves numbness.</text>
        <annotation id="1"><infon key="type">Chemical</infon>
          <location offset="0" length="8"/><text>Nervelin</text></annotation>
        <relation id="R1"><infon key="type">Treats</infon>
          <node refid="1" role="drug"/><node refid="2" role="disease"/></relation>
      </passage></document></collection>

The JSON has the same in lists named `documents`, `passages`, `sentences`, `annotations` and
`relations`. Annotations and relations may stand in a document, a passage or a sentence. Offsets
count from the beginning of the document.
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from joint_ner_re.corpora.annotations import ConceptLink, Document, Link, Mention
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, parsed, sentences_of
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.files import parse_int, read_head, read_lines
from joint_ner_re.corpora.json_values import decode
from joint_ner_re.corpora.text import Span
from joint_ner_re.corpora.units import Unit
from joint_ner_re.corpora.xml_elements import (
    Element,
    count_misplaced,
    looks_like_root,
    read_elements,
)
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Sentence

_SPACE = re.compile(r"[ \t\n]*")
_UNTYPED = "Entity", "Relation"
# PubTator's own pages wrap the documents otherwise.
_COLLECTIONS = {"documents", "PubTator3"}
_NO_CONCEPT = {"", "-", "-1", "None"}


class _Location(NamedTuple):
    offset: int
    length: int


class _Annotation(NamedTuple):
    line: int
    id: str
    infons: dict[str, str]
    text: str
    locations: Sequence[_Location]


class _Relation(NamedTuple):
    line: int
    infons: dict[str, str]
    nodes: Sequence[str]


class _Level(NamedTuple):
    """A document, a passage or a sentence: all three may hold annotations and relations."""

    line: int
    offset: int
    text: str
    annotations: Sequence[_Annotation]
    relations: Sequence[_Relation]
    inner: Sequence[_Level]


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether this is XML with the outermost element `collection`, or JSON with passages."""
    if looks_like_root(first_lines, "collection"):
        return True
    head = "\n".join(first_lines).lstrip()
    # JSON may hold a long text before its first passage, but not before their list's name.
    return head[:1] in ("{", "[") and re.search(r'"passages"\s*:\s*\[', head) is not None


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    discontinuous: str = "drop",
    concept_relations: str = "nearest",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read BioC, whether XML, JSON, or a JSON document in each line.

    # Parameters

    path : `str`
        A file, or a directory of XML files.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the passages; where the file has sentences, these are kept.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences (with ids such as `10000001:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    discontinuous : `str`, optional (default = `"drop"`)
        What becomes of annotations with several locations: `"drop"`, `"cover"`, `"first"` or
        `"split"`; see `mentions.DISCONTINUOUS`.
    concept_relations : `str`, optional (default = `"nearest"`)
        For relations without nodes, which mentions of two related concepts are related:
        `"nearest"`, `"sentence"` or `"all"`; see `concepts.CONCEPT_RELATIONS`.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the annotation, the document or the rest of the file is passed over.

    # Raises

    `CorpusFormatError`
        If the file is no BioC, or an annotation does not fit its text.
    """
    changes: Counter[str] = Counter()
    yield from sentences_of(
        documents(path, on_error, changes),
        tokenizer,
        unit,
        changes,
        on_error,
        discontinuous,
        concept_relations,
    )
    log_changes(path, changes)


def documents(
    path: PathLike, on_error: ErrorHandler | None = None, changes: Counter[str] | None = None
) -> Iterator[Document]:
    """The documents of such a file, with their concepts.

    # Raises

    `CorpusFormatError`
        If the file is no BioC.
    """
    counted = Counter() if changes is None else changes
    return parsed(
        _records(path, counted, on_error),
        lambda file, make: _Document(file, make, counted, on_error).document(),
        on_error,
    )


def _records(
    path: PathLike, changes: Counter[str], on_error: ErrorHandler | None
) -> Iterator[tuple[PathLike, Callable[[], tuple[str, _Level]]]]:
    """Each document's file, and what makes its id and its levels."""
    if not os.path.isdir(path) and _is_json(path):
        for line, value in _json_documents(path, on_error):
            yield path, partial(_json_document, path, line, value)
    else:
        for element in read_elements(path, "collection", "document", changes, on_error):
            yield element.path, partial(_xml_document, element, changes)


def _is_json(path: PathLike) -> bool:
    head = "\n".join(read_head(path)).lstrip()
    return head[:1] in ("{", "[")


# XML


def _xml_document(element: Element, changes: Counter[str]) -> tuple[str, _Level]:
    name = element.first("id")
    if name is None:
        raise element.error("has no <id>")
    read = {"annotation": 0, "relation": 0}
    for holder in _holders(element):
        for tag in read:
            read[tag] += len(holder.all(tag))
    count_misplaced(element, read, changes)
    return name.text.strip(), _xml_level(element)


def _holders(element: Element) -> Iterator[Element]:
    """The document with its passages and sentences."""
    yield element
    for child in element.children:
        if child.tag in ("passage", "sentence"):
            yield from _holders(child)


def _xml_level(element: Element) -> _Level:
    offset, text = element.first("offset"), element.first("text")
    inner = [child for child in element.children if child.tag in ("passage", "sentence")]
    return _Level(
        element.line,
        0 if offset is None else _number(element, offset.text.strip()),
        "" if text is None else text.text,
        [_xml_annotation(annotation) for annotation in element.all("annotation")],
        [
            _Relation(
                relation.line,
                _xml_infons(relation),
                [node.get("refid") for node in relation.all("node")],
            )
            for relation in element.all("relation")
        ],
        [_xml_level(child) for child in inner],
    )


def _xml_annotation(annotation: Element) -> _Annotation:
    text = annotation.first("text")
    return _Annotation(
        annotation.line,
        annotation.get("id"),
        _xml_infons(annotation),
        "" if text is None else text.text,
        [
            _Location(place.integer("offset"), place.integer("length"))
            for place in annotation.all("location")
        ],
    )


def _xml_infons(element: Element) -> dict[str, str]:
    return {infon.get("key"): infon.text.strip() for infon in element.all("infon")}


def _number(element: Element, text: str) -> int:
    return parse_int(element.path, element.line, text, f"the offset of the <{element.tag}>")


# JSON


def _json_documents(path: PathLike, on_error: ErrorHandler | None) -> Iterator[tuple[int, Any]]:
    """Each document's JSON, and the line where the value that it stands in begins."""
    text = "\n".join(line for _, line in read_lines(path))
    place, line = 0, 1
    while True:
        blank = _SPACE.match(text, place)
        assert blank is not None
        line += text.count("\n", place, blank.end())
        place = blank.end()
        if place == len(text):
            return
        value, end = decode(path, line, text, place)
        with located(path, line):
            documents = _documents_in(path, line, value)
        for document in documents:
            yield line, document
        line += text.count("\n", place, end)
        place = end


def _documents_in(path: PathLike, line: int, value: Any) -> list[Any]:
    """The documents of a collection, of a list of documents, or of what PubTator's pages give."""
    found: list[Any] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "passages" in item:
            found.append(item)
        elif isinstance(item, dict) and _COLLECTIONS & item.keys():
            for key in sorted(_COLLECTIONS & item.keys()):
                found += get(item, key, list, "the collection")
        else:
            raise CorpusFormatError(
                path, line, f"expected BioC's documents or passages; found {quote_json(item)}"
            )
    return found


def _json_document(path: PathLike, line: int, value: Any) -> tuple[str, _Level]:
    name = value.get("id") if isinstance(value, dict) else None
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise CorpusFormatError(
            path, line, f"a document is {quote_json(value)}; expected one with an id"
        )
    where = f"document {quote(str(name), 40)}"
    with located(path, line):
        return str(name), _json_level(path, line, value, where, ("passages", "sentences"))


def _json_level(path: PathLike, line: int, value: Any, where: str, inside: Sequence[str]) -> _Level:
    inner: list[_Level] = []
    if inside:
        for index, item in enumerate(get(value, inside[0], list, where, [])):
            place = f"{where}, {inside[0]}[{index}]"
            inner.append(_json_level(path, line, item, place, inside[1:]))
    offset = get(value, "offset", int, where, 0)
    if not 0 <= offset < 10**9:
        raise CorpusFormatError(path, line, f"{where} has the offset {offset}; expected 0 or more")
    return _Level(
        line,
        offset,
        get(value, "text", str, where, ""),
        [
            _json_annotation(path, line, item, f"{where}, annotations[{index}]")
            for index, item in enumerate(get(value, "annotations", list, where, []))
        ],
        [
            _json_relation(path, line, item, f"{where}, relations[{index}]")
            for index, item in enumerate(get(value, "relations", list, where, []))
        ],
        inner,
    )


def _json_annotation(path: PathLike, line: int, value: Any, where: str) -> _Annotation:
    locations = []
    for item in get(value, "locations", list, where):
        offset, length = (get(item, key, int, where) for key in ("offset", "length"))
        locations.append(_Location(offset, length))
    return _Annotation(
        line,
        _json_id(path, line, value, where, "id"),
        _json_infons(path, line, value, where),
        get(value, "text", str, where, ""),
        locations,
    )


def _json_relation(path: PathLike, line: int, value: Any, where: str) -> _Relation:
    nodes = get(value, "nodes", list, where, [])
    return _Relation(
        line,
        _json_infons(path, line, value, where),
        [_json_id(path, line, node, f"{where}, nodes", "refid") for node in nodes],
    )


def _json_id(path: PathLike, line: int, value: Any, where: str, key: str) -> str:
    if isinstance(value, dict) and type(value.get(key)) is int:
        return str(value[key])
    return str(get(value, key, str, where))


def _json_infons(path: PathLike, line: int, value: Any, where: str) -> dict[str, str]:
    infons = get(value, "infons", dict, where, {})
    return {
        key: item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        for key, item in infons.items()
        if item is not None
    }


# Both


class _Block(NamedTuple):
    """A stretch of text: its offset in the file, and where it begins in the document's text."""

    offset: int
    begin: int
    length: int


class _Document:
    """One document, put together from its passages."""

    def __init__(
        self,
        path: PathLike,
        make: Callable[[], tuple[str, _Level]],
        changes: Counter[str],
        on_error: ErrorHandler | None,
    ) -> None:
        self._path = path
        self._changes = changes
        self._on_error = on_error
        self._name, self._root = make()
        self._texts: list[str] = []
        self._length = 0
        self._end = -1
        self._blocks: list[_Block] = []
        self._breaks: list[int] = []
        self._sentences_given = False
        self._mentions: list[Mention] = []
        self._places: dict[str, int] = {}
        self._links: list[Link] = []
        self._concept_links: list[ConceptLink] = []

    def document(self) -> Document:
        self._add_texts(self._root)
        self._blocks.sort()
        self._add_annotations(self._root)
        self._add_relations(self._root)
        return Document(
            self._path,
            self._root.line,
            self._name,
            "".join(self._texts),
            self._mentions,
            self._links,
            self._concept_links,
            self._breaks,
            self._sentences_given,
        )

    def _add_texts(self, level: _Level) -> None:
        if level.text:
            begin = self._add_text(level.offset, level.text)
            # The sentences of a passage may repeat its text.
            for sentence in level.inner:
                place = sentence.offset - level.offset
                if 0 <= place < len(level.text):
                    self._breaks.append(begin + place)
                    self._sentences_given = True
            return
        for inner in level.inner:
            self._add_texts(inner)
        if any(inner.text and not inner.inner for inner in level.inner) and level is not self._root:
            self._sentences_given = True

    def _add_text(self, offset: int, text: str) -> int:
        """Where in the document the text begins."""
        if self._texts and offset != self._end:
            self._texts.append("\n")
            self._length += 1
        begin = self._length
        self._blocks.append(_Block(offset, begin, len(text)))
        self._breaks.append(begin)
        self._texts.append(text)
        self._length += len(text)
        self._end = offset + len(text)
        return begin

    def _add_annotations(self, level: _Level) -> None:
        for annotation in level.annotations:
            with handled(self._on_error):
                self._add_annotation(annotation)
        for inner in level.inner:
            self._add_annotations(inner)

    def _add_annotation(self, annotation: _Annotation) -> None:
        if annotation.id in self._places:
            raise self._error(annotation, "has an id that stands twice in its document")
        if not annotation.locations:
            self._changes["annotations without a location, left out"] += 1
            self._places[annotation.id] = -1
            return
        pieces = [self._span(annotation, location) for location in annotation.locations]
        kind = annotation.infons.get("type")
        if not kind:
            self._changes[f"annotations without a type, read as {_UNTYPED[0]}"] += 1
        concept = annotation.infons.get("identifier", "").strip()
        self._places[annotation.id] = len(self._mentions)
        self._mentions.append(
            Mention(
                annotation.line,
                kind or _UNTYPED[0],
                *pieces[0],
                pieces=pieces,
                surface=annotation.text or None,
                concepts=() if concept in _NO_CONCEPT else (concept,),
            )
        )

    def _span(self, annotation: _Annotation, location: _Location) -> Span:
        """Where the characters stand in the document's text."""
        place = bisect_right(self._blocks, location.offset, key=lambda block: block.offset) - 1
        if place < 0 or location.length < 0 or location.offset < 0:
            raise self._error(
                annotation,
                f"stands at offset {location.offset}, length {location.length}; expected a place "
                "in one of the document's texts",
            )
        block = self._blocks[place]
        begin = block.begin + location.offset - block.offset
        return begin, begin + location.length

    def _error(self, annotation: _Annotation, reason: str) -> CorpusFormatError:
        return CorpusFormatError(
            self._path,
            annotation.line,
            f"the annotation {quote(annotation.id, 40)} of document {quote(self._name, 40)} "
            f"{reason}",
        )

    def _add_relations(self, level: _Level) -> None:
        for relation in level.relations:
            with handled(self._on_error):
                self._add_relation(relation)
        for inner in level.inner:
            self._add_relations(inner)

    def _add_relation(self, relation: _Relation) -> None:
        kind = relation.infons.get("type")
        concepts = [relation.infons.get(key, "") for key in ("entity1", "entity2")]
        if not kind:
            self._changes[f"relations without a type, read as {_UNTYPED[1]}"] += 1
            kind = _UNTYPED[1]
        if not relation.nodes and all(concepts):
            self._concept_links.append(ConceptLink(relation.line, kind, *concepts))
        elif len(relation.nodes) != 2:
            self._changes["relations with another number of arguments than two, left out"] += 1
        else:
            ends = [self._places.get(node, -2) for node in relation.nodes]
            if -2 in ends:
                missing = relation.nodes[ends.index(-2)]
                raise CorpusFormatError(
                    self._path,
                    relation.line,
                    f"a relation of document {quote(self._name, 40)} has the argument "
                    f"{quote(missing, 40)}, but no annotation has this id",
                )
            if -1 in ends:
                self._changes["relations of mentions that were left out"] += 1
            else:
                self._links.append(Link(relation.line, kind, *ends))
