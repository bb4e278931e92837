"""XML as corpora need it: read element by element, without entities, and with errors that know
their line."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, PathLike, handled
from joint_ner_re.corpora.files import Line, parse_int, read_lines
from joint_ner_re.messages import quote

MAX_DEPTH = 50
# A collection may stand in one line: what of it is complete shall be dealt with before the rest.
_CHUNK = 2**22
_DESCRIPTIONS = ("source", "date", "key", "infon")
_SUFFIXES = (".xml", ".xml.gz", ".bioc")


@dataclass
class Element:
    """One element of an XML file.

    # Parameters

    path : `str`
        The file.
    line : `int`
        The line where its tag begins.
    tag : `str`
        Its name.
    attributes : `dict[str, str]`
        Its attributes.
    children : `list[Element]`
        The elements in it, in order.
    text : `str`
        The text in it, but for that of its children.
    """

    path: PathLike
    line: int
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, tag: str) -> list[Element]:
        """The children of this name."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Element | None:
        """The first child of this name, if there is one."""
        return next((child for child in self.children if child.tag == tag), None)

    def walk(self) -> Iterator[Element]:
        """The element and all that are in it, at any depth."""
        yield self
        for child in self.children:
            yield from child.walk()

    def get(self, name: str) -> str:
        """An attribute's value.

        # Raises

        `CorpusFormatError`
            If the element lacks it.
        """
        if name not in self.attributes:
            raise self.error(f"lacks the attribute {name!r}")
        return self.attributes[name]

    def error(self, reason: str) -> CorpusFormatError:
        """An error that says what is wrong with this element."""
        name = self.attributes.get("id")
        which = f" with the id {quote(name, 40)}" if name is not None else ""
        return CorpusFormatError(self.path, self.line, f"the element <{self.tag}>{which} {reason}")

    def integer(self, name: str) -> int:
        """An attribute's value as a number.

        # Raises

        `CorpusFormatError`
            If the element lacks it, or it is no number.
        """
        what = f"{name} of the element <{self.tag}>"
        return parse_int(self.path, self.line, self.get(name), what)


def looks_like_root(first_lines: Sequence[str], tag: str) -> bool:
    """Whether the file is XML, and its outermost element has this name."""
    head = "\n".join(first_lines).lstrip()
    # A declaration, comments and the document's type may stand before it.
    match = re.match(r"(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<([\w:.-]+)", head, re.S)
    return match is not None and match.group(1) == tag


def xml_files(directory: PathLike) -> list[Path]:
    """The XML files of a directory and of all in it, in the order of their names."""
    return [
        file
        for file in sorted(Path(directory).rglob("*"))
        if file.name.lower().endswith(_SUFFIXES) and file.is_file() and file.name[0] != "."
    ]


def count_misplaced(element: Element, read: Mapping[str, int], changes: Counter[str]) -> None:
    """Count the elements of these names beyond the ones that were read at their usual places."""
    found = Counter(inner.tag for inner in element.walk())
    for tag, number in read.items():
        if found[tag] > number:
            changes[f"elements <{tag}> in an unexpected place, not used"] += found[tag] - number


def read_elements(
    path: PathLike,
    root: str,
    tag: str,
    changes: Counter[str],
    on_error: ErrorHandler | None = None,
) -> Iterator[Element]:
    """The elements of this name in the files of a corpus, as soon as each is complete.

    # Parameters

    path : `str`
        A file, or a directory of them.
    root : `str`
        The name that the outermost element must have.
    tag : `str`
        The elements' name; that of the outermost element gives whole files.
    changes : `Counter[str]`
        Counts the elements beside them, but for what describes a collection.
    on_error : `ErrorHandler`, optional
        Takes the error of a file; what is behind it in that file is not read.

    # Raises

    `CorpusFormatError`
        If there is no XML file in a directory, or a file is no XML, has another outermost element,
        declares entities, refers to other files, or is nested more than `MAX_DEPTH` deep.
    """
    files: Sequence[PathLike] = xml_files(path) if os.path.isdir(path) else [path]
    if not files:
        raise CorpusFormatError(path, None, "no .xml file in this directory; expected some")
    for file in files:
        with handled(on_error):
            builder = _Builder(file, root, tag)
            yield from _elements(file, builder, read_lines(file))
            for name, count in builder.beside.items():
                changes[f"elements <{name}> outside of a <{tag}>, not used"] += count


def parse_element(path: PathLike, root: str, lines: Iterable[Line]) -> Element:
    """The outermost element of XML that is at hand in lines.

    # Parameters

    path : `str`
        Where it is, for messages.
    root : `str`
        The name that the element must have; `{NAMESPACE}NAME` where it is in a namespace.
    lines : `Iterable[Line]`
        The lines, as `read_lines` gives them.

    # Raises

    `CorpusFormatError`
        As for `read_elements`.
    """
    # The parser raises an error for a file that ends before it.
    return next(_elements(path, _Builder(path, root, root), lines))


def _elements(path: PathLike, builder: _Builder, lines: Iterable[Line]) -> Iterator[Element]:
    parsing = _parse(path, builder, lines)
    more = True
    failure: CorpusFormatError | None = None
    while more:
        try:
            more = next(parsing, False)
        except CorpusFormatError as error:
            more, failure = False, error
        # Also after the last piece, and after one with an error: a parser that waits for more
        # text (expat since 2.6) reports elements no earlier than then.
        yield from builder.take()
    if failure is not None:
        raise failure


def _parse(path: PathLike, builder: _Builder, lines: Iterable[Line]) -> Iterator[bool]:
    """Parse the file piece by piece; `True` after each."""
    number = 1
    try:
        parser = DefusedXMLParser(target=builder)
        builder.parser = parser.parser
        for number, line in lines:
            line += "\n"
            if number == 1:
                line = line.lstrip()
            for begin in range(0, len(line), _CHUNK):
                parser.feed(line[begin : begin + _CHUNK])
                yield True
        parser.close()
    except DefusedXmlException as error:
        raise CorpusFormatError(
            path,
            number,
            f"the XML declares entities or refers to files ({type(error).__name__}); expected a "
            "corpus without them, since they can fill the memory or read what they should not",
        ) from error
    except ParseError as error:
        line_number = min(max(error.position[0], 1), number)
        raise CorpusFormatError(path, line_number, f"not well-formed XML: {error}") from error
    except ValueError as error:
        if isinstance(error, CorpusFormatError):
            raise
        raise CorpusFormatError(path, number, f"not well-formed XML: {error}") from error


class _Builder:
    """What the parser reports, put together to elements."""

    def __init__(self, path: PathLike, root: str, tag: str) -> None:
        self.beside: Counter[str] = Counter()
        self.parser: object = None
        self._path = path
        self._root = root
        self._tag = tag
        self._complete: list[Element] = []
        self._open: list[tuple[Element, list[str]]] = []
        # How many of the open elements are inside one that is asked for, or are it.
        self._inside = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        line = getattr(self.parser, "CurrentLineNumber", 1)
        element = Element(self._path, line, tag, dict(attributes))
        if not self._open and tag != self._root:
            raise CorpusFormatError(
                self._path,
                line,
                f"the outermost element is <{quote(tag, 40)[1:-1]}>; expected <{self._root}>",
            )
        if len(self._open) >= MAX_DEPTH:
            raise CorpusFormatError(self._path, line, f"elements nested more than {MAX_DEPTH} deep")
        if self._inside or tag == self._tag:
            self._inside += 1
        elif self._open and tag not in _DESCRIPTIONS:
            self.beside[quote(tag, 40)[1:-1]] += 1
        self._open.append((element, []))

    def data(self, text: str) -> None:
        if self._inside:
            self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        element, texts = self._open.pop()
        element.text = "".join(texts)
        if self._inside:
            self._inside -= 1
            if self._inside:
                self._open[-1][0].children.append(element)
            else:
                self._complete.append(element)

    def take(self) -> list[Element]:
        """The elements that were completed since the last call."""
        complete, self._complete = self._complete, []
        return complete

    def close(self) -> None:
        """The parser calls it at the end."""
