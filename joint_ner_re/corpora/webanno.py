"""WebAnno TSV 3, which WebAnno and INCEpTION export: a token in each line, with its annotations.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=webanno.custom.Name|value                            a layer of spans with a feature
    #T_RL=webanno.custom.Link|value|BT_webanno.custom.Name     a layer of relations between them

    #Text=Ada Marek left.
    1-1     0-3     Ada     Peop[1]   _   _
    1-2     4-9     Marek   Peop[1]   _   _                    one mention of two tokens
    1-3     10-14   left    Event     Of  1-1[1_0]             from the mention [1] at 1-1 to this

Offsets count UTF-16 units. The words of the tokens stand beside them, so that the words count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.bundles import Member, members
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, parsed, sentences_of
from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, PathLike, handled
from joint_ner_re.corpora.files import parse_int
from joint_ner_re.corpora.layers import holds_annotations, others, short_name, type_feature
from joint_ner_re.corpora.offsets import check_offsets
from joint_ner_re.corpora.units import Unit
from joint_ner_re.corpora.webanno_text import Assembly, Row, TokenSentence, align, unescape
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

SUFFIXES = (".tsv", ".tsv.gz")
"""The files that are read of a directory or an archive."""

_FORMAT = "#FORMAT=WebAnno TSV 3"
_LAYER = re.compile(r"#T_(SP|RL|CH)=([^|]+)((?:\|[^|]*)*)")
_UNIT = re.compile(r"([0-9]{1,9})-([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_PLACES = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_SOURCE = re.compile(r"([0-9-]+(?:\.[0-9]+)?)(?:\[([0-9]{1,9})_([0-9]{1,9})\])?")
_ITEM = re.compile(r"((?:\\.|[^\\|])*?)(?:\[([0-9]{1,9})\])?(\||$)", re.DOTALL)
_NONE, _NO_VALUE = "_", "*"


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line names the format."""
    return first_lines[0].startswith(_FORMAT)


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    offsets: str | None = None,
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read WebAnno TSV 3.

    # Parameters

    path : `str`
        A file, a directory of `.tsv` files, or a zip archive as INCEpTION exports it.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the sentences into tokens; the file's tokens place its annotations only.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into the file's sentences (with ids such as `report:120-245`),
        not at all (`"document"`), or into so many neighbouring sentences each.
    offsets : `str`, optional (default = `None`)
        What offsets count, `"codepoints"` or `"utf-16"`; see `offsets.OFFSETS`. By default the
        words of the tokens show it. It matters only for parts of tokens.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the annotation or the document is passed over.

    # Raises

    `CorpusFormatError`
        If a file is not WebAnno TSV 3, or an annotation does not fit its text.
    `ValueError`
        If `offsets` has no such value.
    """
    check_offsets(offsets)
    changes: Counter[str] = Counter()
    files = ((member,) for member in members(path, SUFFIXES, changes, on_error))
    documents = parsed(
        files, lambda member: _document(member, offsets, changes, on_error), on_error
    )
    yield from sentences_of(documents, tokenizer, unit, changes, on_error)
    log_changes(path, changes)


@dataclass
class _Layer:
    """A layer of the header: which columns it has, beginning with the one at `first`."""

    kind: str
    name: str
    features: list[str]
    first: int
    # Of relations, the layer of their arguments.
    base: str = ""
    # Whether a column holds links to other spans, not a value.
    slots: set[int] = field(default_factory=set)

    def values(self, cells: Sequence[str]) -> dict[str, str]:
        """The cells of the features that have values, by their names."""
        return {
            name: cells[self.first + index]
            for index, name in enumerate(self.features)
            if index not in self.slots
        }

    def cells(self, cells: Sequence[str]) -> list[str]:
        return list(cells[self.first : self.first + len(self.features)])


class _Item(NamedTuple):
    """One of the annotations in a cell: its value, and its number, or 0 without one."""

    value: str
    number: int


def _document(
    member: Member, offsets: str | None, changes: Counter[str], on_error: ErrorHandler | None
) -> Document:
    layers, sentences = _Parser(member.path, changes).parse(member.lines())
    for sentence in sentences:
        align(member.path, sentence)
    text, breaks = Assembly(member.path, sentences, offsets, changes).assemble()
    annotations = _Annotations(member.path, layers, changes, on_error)
    rows = [row for sentence in sentences for token in sentence.rows for row in _with_parts(token)]
    mentions, links = annotations.collect(rows)
    return Document(
        member.path, 1, member.name, text, mentions, links, breaks=breaks, sentences_given=True
    )


def _with_parts(row: Row) -> Iterator[Row]:
    yield row
    yield from row.parts


class _Parser:
    """Reads the lines of a file."""

    def __init__(self, path: PathLike, changes: Counter[str]) -> None:
        self._path = path
        self._changes = changes
        self._layers: list[_Layer] = []
        self._width = 3
        self._sentences: list[TokenSentence] = []
        self._units: set[str] = set()

    def parse(self, lines: Iterator[tuple[int, str]]) -> tuple[list[_Layer], list[TokenSentence]]:
        """The layers, and the sentences with their rows.

        # Raises

        `CorpusFormatError`
            If the first line names another format, or a line is malformed.
        """
        fresh = True
        for number, line in lines:
            if number == 1:
                if not line.startswith(_FORMAT):
                    for _ in () if line.strip() else lines:
                        # This raises the error for an empty file.
                        pass
                    raise CorpusFormatError(
                        self._path,
                        1,
                        f"found {quote(line)}; expected {_FORMAT}.x: export WebAnno TSV v3.3",
                    )
            elif not line.strip():
                fresh = True
            elif line.startswith("#T_"):
                self._add_layer(number, line)
            elif line.startswith("#Text="):
                self._add_text(number, line[len("#Text=") :], fresh)
                fresh = False
            elif line.startswith("#"):
                if not line.startswith("#Sentence.id="):
                    self._changes["comment lines, not used"] += 1
            else:
                self._add_row(number, line)
        return self._layers, self._sentences

    def _add_layer(self, number: int, line: str) -> None:
        match = _LAYER.fullmatch(line.rstrip())
        if match is None or self._sentences:
            raise self._error(
                number,
                f"found {quote(line)}; expected a layer, #T_SP=NAME|FEATURES or #T_RL=NAME|"
                "FEATURES|BT_NAME, before all texts",
            )
        kind, name, rest = match.groups()
        features = rest.split("|")[1:] or [""]
        if len(set(features)) < len(features):
            raise self._error(number, f"a feature stands twice in a layer: {quote(line)}")
        layer = _Layer(kind, name, features, self._width)
        if kind == "RL":
            if not features[-1].startswith("BT_"):
                raise self._error(number, f"relations without a base, BT_NAME: {quote(line)}")
            layer.base = features[-1][len("BT_") :]
        for index, feature in enumerate(features):
            if feature.startswith("ROLE_"):
                layer.slots |= {index, index + 1}
        self._width += len(features)
        self._layers.append(layer)

    def _add_text(self, number: int, text: str, fresh: bool) -> None:
        if fresh or not self._sentences:
            self._sentences.append(TokenSentence(number, text))
        elif self._sentences[-1].rows:
            raise self._error(number, "a text after tokens; expected a blank line before it")
        else:
            # The next line of the same sentence.
            self._sentences[-1].text += "\n" + text

    def _add_row(self, number: int, line: str) -> None:
        cells = line.split("\t")
        if len(cells) == self._width + 1 and not cells[-1]:
            cells.pop()
        if len(cells) != self._width:
            raise self._error(
                number,
                f"{len(cells)} columns separated by tabs; expected {self._width}, 3 and those of "
                f"the layers: {quote(line)}",
            )
        unit, places = _UNIT.fullmatch(cells[0]), _PLACES.fullmatch(cells[1])
        if unit is None or places is None or not self._sentences:
            raise self._error(
                number,
                f"found {quote(line)}; expected a token such as 1-1<tab>0-3<tab>Ada after its text",
            )
        if cells[0] in self._units:
            raise self._error(number, f"the token {cells[0]} stands twice")
        self._units.add(cells[0])
        begin, end = (
            parse_int(self._path, number, place, "an offset") for place in places.groups()
        )
        row = Row(number, cells[0], begin, end, cells[2], cells)
        sentence = self._sentences[-1]
        if unit.group(3) is None:
            sentence.rows.append(row)
        elif sentence.rows and sentence.rows[-1].unit == cells[0].partition(".")[0]:
            sentence.rows[-1].parts.append(row)
        else:
            raise self._error(number, f"a part of a token, {cells[0]}, that is not before it")

    def _error(self, number: int, reason: str) -> CorpusFormatError:
        return CorpusFormatError(self._path, number, reason)


class _Relation(NamedTuple):
    line: int
    type: str
    layer: str
    source: tuple[str, int]
    target: tuple[str, int]


class _Annotations:
    """Reads the cells of the rows."""

    def __init__(
        self,
        path: PathLike,
        layers: Sequence[_Layer],
        changes: Counter[str],
        on_error: ErrorHandler | None,
    ) -> None:
        self._path = path
        self._layers = layers
        self._changes = changes
        self._on_error = on_error
        self._mentions: list[Mention] = []
        # By layer and number, or by layer and unit for those without a number.
        self._places: dict[tuple[str, str | int], int] = {}
        self._relations: list[_Relation] = []
        self._used = {layer.name for layer in layers if layer.kind == "SP"}
        self._used = {name for name in self._used if holds_annotations(name)}
        self._seen: set[tuple[str, int]] = set()

    def collect(self, rows: Sequence[Row]) -> tuple[list[Mention], list[Link]]:
        """The mentions and the relations between them."""
        for row in rows:
            for layer in self._layers:
                with handled(self._on_error):
                    self._read(row, layer)
        # The places of the mentions that have a text.
        kept: dict[int, int] = {}
        mentions: list[Mention] = []
        for index, mention in enumerate(self._mentions):
            if mention.begin == mention.end:
                self._changes["annotations without a text, left out"] += 1
            else:
                kept[index] = len(mentions)
                mentions.append(mention)
        links: list[Link] = []
        for relation in self._relations:
            with handled(self._on_error):
                head = self._resolve(relation, relation.source)
                tail = self._resolve(relation, relation.target)
                if head in kept and tail in kept:
                    links.append(Link(relation.line, relation.type, kept[head], kept[tail]))
                else:
                    self._changes["relations of mentions that were left out"] += 1
        return mentions, links

    def _read(self, row: Row, layer: _Layer) -> None:
        if all(cell == _NONE for cell in layer.cells(row.cells)):
            return
        if layer.kind == "CH":
            self._changes[f"elements of chains of the layer {quote(layer.name)}, not used"] += 1
        elif layer.kind == "RL":
            self._read_relations(row, layer)
        elif layer.name in self._used:
            self._read_spans(row, layer)
        else:
            for item in self._items(row, layer.cells(row.cells)[0]):
                if not item.number or (layer.name, item.number) not in self._seen:
                    self._seen.add((layer.name, item.number))
                    self._changes[f"annotations of the layer {quote(layer.name)}, not used"] += 1

    def _items(self, row: Row, cell: str) -> list[_Item]:
        items: list[_Item] = []
        place = 0
        while True:
            match = _ITEM.match(cell, place)
            if match is None:
                raise self._error(row, f"found {quote(cell)}; expected values separated by |")
            items.append(_Item(match.group(1), int(match.group(2) or 0)))
            if not match.group(3):
                return items
            place = match.end()

    def _read_spans(self, row: Row, layer: _Layer) -> None:
        values = {name: self._items(row, cell) for name, cell in layer.values(row.cells).items()}
        columns = list(values.values()) or [self._items(row, layer.cells(row.cells)[0])]
        if len({len(items) for items in columns}) > 1:
            raise self._error(
                row, f"the features of {quote(layer.name)} have different numbers of values"
            )
        if layer.slots:
            slots = [cell for i, cell in enumerate(layer.cells(row.cells)) if i in layer.slots]
            if any(cell not in (_NONE, _NO_VALUE) for cell in slots[1::2]):
                self._changes["links of slot features, not used"] += 1
        chosen = type_feature([name for name in values if name])
        for index in range(len(columns[0])):
            number = next((items[index].number for items in columns if items[index].number), 0)
            value = values[chosen][index].value if chosen is not None else _NO_VALUE
            kind = self._type(layer, value, chosen is not None)
            key = (layer.name, number or f"{row.unit}")
            if number and key in self._places:
                self._extend(row, self._places[key], kind, number)
                continue
            if key in self._places:
                raise self._error(
                    row, f"several annotations of {quote(layer.name)} without a number, as in a[1]"
                )
            if chosen is not None and value in (_NONE, _NO_VALUE):
                self._changes["annotations without a type, read as the name of their layer"] += 1
            for name in others(values, chosen):
                if values[name][index].value not in (_NONE, _NO_VALUE):
                    self._changes[f"values of the feature {quote(name, 40)}, not used"] += 1
            self._places[key] = len(self._mentions)
            self._mentions.append(Mention(row.line, kind, *row.span))

    def _type(self, layer: _Layer, value: str, has_value: bool) -> str:
        if not has_value or value in (_NONE, _NO_VALUE):
            return short_name(layer.name)
        return unescape(value)

    def _extend(self, row: Row, index: int, kind: str, number: int) -> None:
        mention = self._mentions[index]
        if mention.type != kind:
            raise self._error(
                row,
                f"the annotation [{number}] is {quote(kind, 40)} here and "
                f"{quote(mention.type, 40)} in line {mention.line}",
            )
        begin, end = min(mention.begin, row.span[0]), max(mention.end, row.span[1])
        self._mentions[index] = mention._replace(begin=begin, end=end)

    def _read_relations(self, row: Row, layer: _Layer) -> None:
        *cells, sources = (self._items_of_relation(row, cell) for cell in layer.cells(row.cells))
        if layer.base not in self._used or not holds_annotations(layer.name):
            self._changes[f"relations of the layer {quote(layer.name)}, not used"] += len(sources)
            return
        values = dict(zip(layer.features, cells))
        if any(len(items) != len(sources) for items in values.values()):
            raise self._error(
                row, f"the features of {quote(layer.name)} have different numbers of values"
            )
        chosen = type_feature([name for name in values if name])
        for index, source in enumerate(sources):
            match = _SOURCE.fullmatch(source)
            if match is None:
                raise self._error(
                    row, f"a relation from {quote(source, 40)}; expected a token, as in 1-1[1_2]"
                )
            value = values[chosen][index] if chosen is not None else _NO_VALUE
            kind = self._type(layer, value, chosen is not None)
            if chosen is not None and value in (_NONE, _NO_VALUE):
                self._changes["relations without a type, read as the name of their layer"] += 1
            for name in others(values, chosen):
                if values[name][index] not in (_NONE, _NO_VALUE):
                    self._changes[f"values of the feature {quote(name, 40)}, not used"] += 1
            first, second = int(match.group(2) or 0), int(match.group(3) or 0)
            self._relations.append(
                _Relation(row.line, kind, layer.base, (match.group(1), first), (row.unit, second))
            )

    def _items_of_relation(self, row: Row, cell: str) -> list[str]:
        """The parts of a cell; the numbers in brackets belong to them."""
        return re.findall(r"((?:\\.|[^\\|])+)", cell) or [""]

    def _resolve(self, relation: _Relation, end: tuple[str, int]) -> int:
        unit, number = end
        place = self._places.get((relation.layer, number or unit))
        if place is None:
            name = f"[{number}] at {unit}" if number else f"at {unit}"
            raise CorpusFormatError(
                self._path,
                relation.line,
                f"a relation {quote(relation.type, 40)} has an argument {name}, but no annotation "
                f"of {quote(relation.layer)} is there",
            )
        return place

    def _error(self, row: Row, reason: str) -> CorpusFormatError:
        return CorpusFormatError(self._path, row.line, f"token {row.unit}: {reason}")
