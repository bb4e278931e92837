"""UIMA's CAS, which INCEpTION exports: XMI with its type system, or JSON 0.4.

Each annotation is an instance of a type, and types are the project's layers. In XMI, where a
relation's `Governor` is its source and its `Dependent` its target:

    <custom:Name xmi:id="7" sofa="1" begin="0" end="3" value="Peop"/>
    <custom:Link xmi:id="9" sofa="1" begin="9" end="13" Governor="7" Dependent="8" label="Live_In"/>
    <cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" sofaString="Ada left Kesh."/>

`dkpro-cassis` reads the types and the references. Files of strangers are checked before: XML has no
entities, refers to no files and is nested no deeper than a corpus; the names of types and features,
which `cassis` puts into code that it runs, are plain names. It does not get the texts, for which it
would take hundreds of times their memory.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.bundles import MAX_BYTES, Member, members
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, sentences_of
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    MissingPackageError,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.files import Line, parse_int
from joint_ner_re.corpora.json_values import decode, first_object
from joint_ner_re.corpora.layers import holds_annotations, others, short_name, type_feature
from joint_ner_re.corpora.offsets import check_offsets, in_codepoints
from joint_ner_re.corpora.text import check_length
from joint_ner_re.corpora.uima_types import CasType, Feature, check_types
from joint_ner_re.corpora.units import Unit
from joint_ner_re.corpora.xml_elements import Element, looks_like_root, parse_element
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Sentence

SUFFIXES = (".xmi", ".xmi.gz", ".json", ".json.gz")
"""The files that are read of a directory or an archive."""

# The longest attribute of an element that is no text: references to other elements.
_MAX_ATTRIBUTE = 2**22
_TYPE_SYSTEM = "TypeSystem.xml"
_XMI = "{http://www.omg.org/XMI}"
_SOFA = "{http:///uima/cas.ecore}Sofa"
_VIEW = "{http:///uima/cas.ecore}View"
_SPECIFIER = "{http://uima.apache.org/resourceSpecifier}"
_JSON_KEYS = {"%TYPES", "%FEATURE_STRUCTURES", "%VIEWS"}
_SENTENCE = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Sentence"
_ANNOTATION = "uima.tcas.Annotation"
# The features of an annotation that are not the project's.
_PLACES = ("begin", "end", "sofa")
_ENDS = ("Governor", "Dependent")
_VALUES = ("uima.cas.String", "uima.cas.Boolean", "uima.cas.Integer", "uima.cas.Float",
           "uima.cas.Long", "uima.cas.Double")  # fmt: skip
_DESCRIPTION = f"{_SPECIFIER}typeDescription"
_FEATURE_TAGS = ("name", "rangeTypeName", "elementType", "multipleReferencesAllowed")
# A tag with its attributes, and one attribute.
_ATTRIBUTE = r"""\s+([\w:.-]+)\s*=\s*(?:"[^"]*"|'[^']*')"""
_SOFA_TAG = re.compile(rf"<(?:[\w.-]+:)?Sofa(?:{_ATTRIBUTE})*\s*/?>")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether this is XML with the outermost element `xmi:XMI`, or JSON with a CAS's keys."""
    return looks_like_root(first_lines, "xmi:XMI") or bool(
        _JSON_KEYS & first_object(first_lines).keys()
    )


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    offsets: str | None = None,
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read XMI or JSON of UIMA's CAS.

    # Parameters

    path : `str`
        An `.xmi` file with its `TypeSystem.xml` beside it, a JSON file, a directory of them, or a
        zip archive as INCEpTION exports it.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the documents.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences (with ids such as `report:120-245`), which are
        the file's if it has any; not at all (`"document"`); or into so many neighbouring sentences
        each.
    offsets : `str`, optional (default = `None`)
        What offsets count, `"codepoints"` or `"utf-16"`; see `offsets.OFFSETS`. By default the
        mentions of each file show it; if they do not, it is UTF-16, as UIMA says.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the annotation or the document is passed over.

    # Raises

    `CorpusFormatError`
        If a file is no CAS, lacks its type system, or an annotation does not fit its text.
    `ValueError`
        If `offsets` has no such value.
    `MissingPackageError`
        If `dkpro-cassis` is not installed.
    """
    check_offsets(offsets)
    _cassis()
    changes: Counter[str] = Counter()
    documents = _all_documents(path, offsets, changes, on_error)
    yield from sentences_of(documents, tokenizer, unit, changes, on_error)
    log_changes(path, changes)


def _cassis() -> Any:
    """The package that reads a CAS."""
    try:
        import cassis
    except ImportError as error:
        raise MissingPackageError(
            "UIMA's CAS is read with dkpro-cassis, which is not installed; install it: "
            "pip install 'joint_ner_re[formats]'"
        ) from error
    return cassis


def _all_documents(
    path: PathLike, offsets: str | None, changes: Counter[str], on_error: ErrorHandler | None
) -> Iterator[Document]:
    for member in members(path, SUFFIXES, changes, on_error):
        documents: list[Document] = []
        with handled(on_error):
            found = _read_member(member, changes, on_error)
            for document in found:
                check_length(document.path, document.line, document.text)
            documents = found
        # Each file may have been written by another program.
        yield from in_codepoints(documents, offsets, changes, on_error, standard="utf-16")


def _read_member(
    member: Member, changes: Counter[str], on_error: ErrorHandler | None
) -> list[Document]:
    lines: list[Line] = []
    size = 0
    for line in member.lines():
        size += len(line[1])
        if size > MAX_BYTES:
            raise CorpusFormatError(
                member.path,
                line[0],
                f"a CAS of more than {MAX_BYTES} characters; expected a document: divide it",
            )
        lines.append(line)
    head = next((line for _, line in lines if line.strip()), "").lstrip()
    with located(member.path, 1):
        source = _from_json(member, lines) if head.startswith("{") else _from_xmi(member, lines)
    return _Reader(member, source, changes, on_error).documents()


class _Place(NamedTuple):
    """Where an annotation stands: its line in the file, and its offsets as the file has them."""

    line: int
    begin: int | None
    end: int | None


class _Source(NamedTuple):
    """A file whose texts and places were read, and a function that has the rest read."""

    texts: dict[int, str]
    places: dict[int, _Place]
    load: Callable[[Any], Any]


# XMI


def _from_xmi(member: Member, lines: list[Line]) -> _Source:
    root = parse_element(member.path, f"{_XMI}XMI", lines)
    texts: dict[int, str] = {}
    places: dict[int, _Place] = {}
    for element in root.children:
        if element.tag == _VIEW and element.get("members").count(" ") > len(root.children):
            raise element.error("has more members than there are elements")
        if f"{_XMI}id" not in element.attributes:
            continue
        number = element.integer(f"{_XMI}id")
        if number in places:
            raise element.error(f"has the id {number}, which stands twice")
        for name, value in element.attributes.items():
            if len(value) > _MAX_ATTRIBUTE and name != "sofaString":
                raise element.error(
                    f"has {len(value)} characters in {name!r}; expected at most {_MAX_ATTRIBUTE}"
                )
        begin, end = (_offset(element, name) for name in ("begin", "end"))
        places[number] = _Place(element.line, begin, end)
        if element.tag == _SOFA and "sofaString" in element.attributes:
            texts[number] = element.get("sofaString")
    types = member.beside(_TYPE_SYSTEM)
    if types is None:
        raise CorpusFormatError(
            member.path,
            1,
            f"there is no {_TYPE_SYSTEM} beside it; unpack the whole archive that INCEpTION "
            "exports, or give the archive itself, or export UIMA CAS JSON",
        )
    type_lines = list(types)
    specifier = parse_element(member.path, f"{_SPECIFIER}typeSystemDescription", type_lines)
    described = [_described(element) for element in specifier.walk() if element.tag == _DESCRIPTION]
    check_types(member.path, described)
    type_text = _rewritten(described)
    text = _SOFA_TAG.sub(_without_text, _plain(lines))

    def load(cassis: Any) -> Any:
        types = cassis.load_typesystem(io.BytesIO(type_text.encode("utf-8")))
        return cassis.load_cas_from_xmi(io.BytesIO(text.encode("utf-8")), typesystem=types)

    return _Source(texts, places, load)


def _described(element: Element) -> CasType:
    """The type that an element of a type system describes."""
    features = element.first(f"{_SPECIFIER}features")
    return CasType(
        _inner(element, "name"),
        _inner(element, "supertypeName"),
        [
            Feature(*(_inner(feature, tag) for tag in _FEATURE_TAGS))
            for feature in ([] if features is None else features.children)
        ],
    )


def _inner(element: Element, tag: str) -> str:
    inner = element.first(_SPECIFIER + tag)
    return "" if inner is None else inner.text.strip()


def _rewritten(types: Iterable[CasType]) -> str:
    """A type system with these types and nothing else, which may mean more to another parser."""
    lines = [f'<typeSystemDescription xmlns="{_SPECIFIER[1:-1]}"><types>']
    for kind in types:
        lines.append(
            f"<typeDescription><name>{escape(kind.name)}</name><description/>"
            f"<supertypeName>{escape(kind.parent)}</supertypeName><features>"
        )
        for feature in kind.features:
            parts = zip(_FEATURE_TAGS, feature)
            inner = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts if text)
            lines.append(f"<featureDescription>{inner}</featureDescription>")
        lines.append("</features></typeDescription>")
    return "\n".join([*lines, "</types></typeSystemDescription>"])


def _offset(element: Element, name: str) -> int | None:
    text = element.attributes.get(name)
    if text is None:
        return None
    sign = -1 if text.startswith("-") else 1
    what = f"{name} of the element <{element.tag}>"
    return sign * parse_int(element.path, element.line, text.removeprefix("-"), what)


def _plain(lines: list[Line]) -> str:
    """The XML without its declaration: it is decoded already, whatever encoding that names."""
    return re.sub(r"^\s*<\?xml\s[^>]*\?>", "", "\n".join(line for _, line in lines)).lstrip()


def _without_text(match: re.Match[str]) -> str:
    return re.sub(
        _ATTRIBUTE, lambda found: "" if found.group(1) == "sofaString" else found.group(), match[0]
    )


# JSON


def _from_json(member: Member, lines: list[Line]) -> _Source:
    text = "\n".join(line for _, line in lines)
    start = len(text) - len(text.lstrip(" \t\n"))
    first = 1 + text.count("\n", 0, start)
    value, end = decode(member.path, first, text, start)
    if text[end:].strip(" \t\n"):
        line = 1 + text.count("\n", 0, end)
        raise CorpusFormatError(
            member.path, line, f"expected one JSON object; then found {quote(text[end:].strip())}"
        )
    texts: dict[int, str] = {}
    places: dict[int, _Place] = {}
    structures = get(value, "%FEATURE_STRUCTURES", list, "the CAS", [])
    for structure in structures:
        number = get(structure, "%ID", int, "a feature structure")
        if number in places:
            raise CorpusFormatError(
                member.path, first, f"the %ID {number} of a feature structure stands twice"
            )
        kind = get(structure, "%TYPE", str, "a feature structure")
        what = f"the feature structure {number}"
        begin_end = [
            get(structure, name, int, what) if name in structure else None
            for name in ("begin", "end")
        ]
        places[number] = _Place(first, *begin_end)
        if kind == "uima.cas.Sofa" and structure.get("sofaString") is not None:
            texts[number] = get(structure, "sofaString", str, what)
            del structure["sofaString"]
    types = get(value, "%TYPES", dict, "the CAS")
    described = [
        CasType(
            name,
            get(kind, "%SUPER_TYPE", str, f"the type {quote(name, 40)}"),
            [
                Feature(key, get(feature, "%RANGE", str, f"the feature {quote(key, 40)}"), "", "")
                for key, feature in kind.items()
                if not key.startswith("%")
            ],
        )
        for name, kind in types.items()
    ]
    check_types(member.path, described)
    for name, view in get(value, "%VIEWS", dict, "the CAS").items():
        # Each is held apart, however often it is named.
        if len(get(view, "%MEMBERS", list, f"the view {quote(name, 40)}")) > len(structures):
            raise CorpusFormatError(
                member.path, first, f"the view {quote(name, 40)} has more members than there are"
            )
    content = json.dumps(value)

    def load(cassis: Any) -> Any:
        return cassis.load_cas_from_json(content)

    return _Source(texts, places, load)


# Both


@contextmanager
def _by_cassis(path: PathLike) -> Iterator[None]:
    """Turn whatever goes wrong in `cassis` with a strange file into a `CorpusFormatError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CorpusFormatError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CorpusFormatError(
            path,
            1,
            f"no CAS that dkpro-cassis can read ({type(error).__name__}: {quote(reason, 200)}); "
            "does the type system belong to it, and is the file complete?",
        ) from error


class _Reader:
    """Makes documents of a CAS."""

    def __init__(
        self,
        member: Member,
        source: _Source,
        changes: Counter[str],
        on_error: ErrorHandler | None,
    ) -> None:
        self._path = member.path
        self._name = member.name
        self._source = source
        self._changes = changes
        self._on_error = on_error
        with _by_cassis(self._path):
            self._cas = source.load(_cassis())

    def documents(self) -> list[Document]:
        """A document for each text."""
        with _by_cassis(self._path):
            views = [(view.sofa.xmiID, view.sofa.sofaID, view) for view in self._cas.views]
            contents = {name: view.get_all_fs() for _, name, view in views}
        found: list[Document] = []
        for number, name, _ in views:
            text = self._source.texts.get(number)
            if text is None:
                if contents[name]:
                    self._changes["views without a text, left out"] += 1
                continue
            own = self._name if len(self._source.texts) == 1 else f"{self._name}/{name}"
            found.append(self._document(own, text, number, contents[name]))
        if not found:
            raise CorpusFormatError(self._path, 1, "a CAS without a text; expected one")
        return found

    def _document(self, name: str, text: str, number: int, structures: Sequence[Any]) -> Document:
        mentions: list[Mention] = []
        places: dict[int, int] = {}
        relations: list[Any] = []
        breaks: list[int] = []
        # In the order of their ids, and each once, however often the index has it.
        by_id = {structure.xmiID: structure for structure in structures}
        for _, structure in sorted(by_id.items()):
            kind = structure.type.name
            if kind == _SENTENCE:
                breaks.append(self._place(structure).begin or 0)
            elif not holds_annotations(kind):
                self._count_unused(kind)
            elif all(structure.type.get_feature(end) is not None for end in _ENDS):
                relations.append(structure)
            elif self._is_annotation(structure):
                with handled(self._on_error):
                    self._add_mention(structure, mentions, places)
            else:
                self._count_unused(kind)
        links: list[Link] = []
        for structure in relations:
            with handled(self._on_error):
                self._add_link(structure, places, links)
        line = self._source.places[number].line if number in self._source.places else 1
        return Document(
            self._path, line, name, text, mentions, links, breaks=breaks,
            sentences_given=bool(breaks),
        )  # fmt: skip

    def _count_unused(self, kind: str) -> None:
        # Tokens, tag sets and the like say nothing that would be missed.
        if ".segmentation." not in kind and ".metadata." not in kind and "uima." not in kind[:5]:
            self._changes[f"annotations of the layer {quote(kind)}, not used"] += 1

    def _is_annotation(self, structure: Any) -> bool:
        return bool(self._cas.typesystem.is_instance_of(structure.type, _ANNOTATION))

    def _place(self, structure: Any) -> _Place:
        return self._source.places[structure.xmiID]

    def _add_mention(self, structure: Any, mentions: list[Mention], places: dict[int, int]) -> None:
        line, begin, end = self._place(structure)
        if begin is None or end is None:
            raise CorpusFormatError(
                self._path,
                line,
                f"the annotation {structure.xmiID} of the layer {quote(structure.type.name)} has "
                "no place; expected begin and end",
            )
        if begin == end:
            self._changes["annotations without a text, left out"] += 1
            places[structure.xmiID] = -1
            return
        places[structure.xmiID] = len(mentions)
        mentions.append(Mention(line, self._type(structure, "annotations"), begin, end))

    def _add_link(self, structure: Any, places: Mapping[int, int], links: list[Link]) -> None:
        line = self._place(structure).line
        ends = [getattr(structure, end) for end in _ENDS]
        for role, end in zip(_ENDS, ends):
            if end is None or not hasattr(end, "xmiID"):
                raise CorpusFormatError(
                    self._path,
                    line,
                    f"the relation {structure.xmiID} of the layer {quote(structure.type.name)} has "
                    f"no {role}; expected an annotation",
                )
        kind = self._type(structure, "relations")
        found = [places.get(end.xmiID, -2) for end in ends]
        if -2 in found:
            # Such as the dependencies of words, or relations of relations.
            self._changes["relations of what is no mention, left out"] += 1
        elif -1 in found:
            self._changes["relations of mentions that were left out"] += 1
        else:
            links.append(Link(line, kind, *found))

    def _type(self, structure: Any, what: str) -> str:
        """The value of the feature that is the type; without one, the layer's name."""
        features: dict[str, Any] = {}
        for feature in structure.type.all_features:
            if feature.name in _PLACES or feature.name in _ENDS:
                continue
            if getattr(feature.rangeType, "name", "") in _VALUES:
                features[feature.name] = getattr(structure, feature.name)
            elif getattr(structure, feature.name) is not None:
                self._changes[f"values of the feature {quote(feature.name, 40)}, not used"] += 1
        chosen = type_feature(list(features))
        for name in others(features, chosen):
            if features[name] is not None:
                self._changes[f"values of the feature {quote(name, 40)}, not used"] += 1
        value = None if chosen is None else features[chosen]
        if value is None or value == "":
            if chosen is not None:
                self._changes[f"{what} without a type, read as the name of their layer"] += 1
            return short_name(structure.type.name)
        return value if isinstance(value, str) else quote_json(value)
