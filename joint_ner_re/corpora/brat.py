"""brat's standoff format: a directory of documents, each a `.txt` and an `.ann` file.

    T1	Peop 0 3	Ada                    an entity: type, begin and end in the text, the words
    T2	Loc 9 12;17 21	New York        a discontinuous entity
    R1	Live_In Arg1:T1 Arg2:T2	        a relation

Events, attributes, normalisations, notes and equivalences are counted but not used, except the
notes that hold scores, which `write` writes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import (
    DocumentTokenizer,
    line_name,
    log_changes,
    parse_sentence_id,
    parsed,
    sentences_of,
)
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
)
from joint_ner_re.corpora.files import read_document, read_lines
from joint_ner_re.corpora.mentions import fits
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence
from joint_ner_re.writing import replacing_directory

_LINE = re.compile(r"(?:[TREAMN][0-9]+|#[0-9]*|\*)\t")
_MENTION = re.compile(r"(T[0-9]+)\t(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)\t(.*)")
_RELATION = re.compile(r"(R[0-9]+)\t(\S+) (\S+):([TE][0-9]+) (\S+):([TE][0-9]+)\s*")
_SCORE = re.compile(r"#[0-9]+\tAnnotatorNotes ([TR][0-9]+)\tscore ([01](?:\.[0-9]+)?)")
_UNUSED = {
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "notes",
    "*": "equivalences",
}
_SUFFIXES = (".txt", ".ann", ".txt.gz", ".ann.gz")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line looks like a line of an `.ann` file."""
    return _LINE.match(first_lines[0]) is not None


def has_annotations(directory: PathLike) -> bool:
    """Whether there is an `.ann` file in a directory, or in one of those in it."""
    return any(_base(str(file))[1].startswith(".ann") for file in Path(directory).rglob("*"))


def is_document(path: PathLike) -> bool:
    """Whether this is a `.txt` file with an `.ann` file beside it."""
    base, suffix = _base(os.fspath(path))
    return suffix.startswith(".txt") and _beside(base, ".ann") is not None


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    discontinuous: str = "drop",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read brat's standoff format.

    # Parameters

    path : `str`
        A directory, which is searched with its subdirectories, or one `.txt` or `.ann` file.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the documents.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences (with ids such as `report:120-245`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    discontinuous : `str`, optional (default = `"drop"`)
        What becomes of mentions in pieces: `"drop"`, `"cover"`, `"first"` or `"split"`; see
        `mentions.DISCONTINUOUS`. Where only white space lies between the pieces, as brat writes
        mentions that go over the end of a line, they are one span.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a line or an annotation, which is skipped.

    # Raises

    `CorpusFormatError`
        If a file is missing, a line is malformed, or the text of a mention differs from the
        document's.
    """
    changes: Counter[str] = Counter()
    documents = parsed(
        _bases(path, changes),
        lambda base, name: _document(base, name, changes, on_error),
        on_error,
    )
    yield from sentences_of(documents, tokenizer, unit, changes, on_error, discontinuous)
    log_changes(path, changes)


def _bases(path: PathLike, changes: Counter[str]) -> list[tuple[str, str]]:
    """The paths of the documents without `.txt` and `.ann`, and their ids."""
    whole = os.fspath(path)
    if not os.path.isdir(whole):
        base, _ = _base(whole)
        return [(base, os.path.basename(base))]
    found: dict[str, list[str]] = {}
    for file in sorted(Path(whole).rglob("*")):
        base, suffix = _base(str(file))
        if suffix and not file.name.startswith(".") and file.is_file():
            found.setdefault(base, []).append(suffix)
    annotated = [base for base in found if any(s.startswith(".ann") for s in found[base])]
    if not annotated:
        raise CorpusFormatError(
            path, None, "no .ann file in this directory; expected .txt files with .ann files"
        )
    if len(annotated) < len(found):
        changes[".txt files without an .ann file, left out"] = len(found) - len(annotated)
    return [(base, Path(base).relative_to(whole).as_posix()) for base in annotated]


def _base(path: str) -> tuple[str, str]:
    """`("a", ".txt.gz")` for `"a.txt.gz"`, and `("a", "")` for a path without such a suffix."""
    for suffix in _SUFFIXES:
        if path.endswith(suffix):
            return path[: -len(suffix)], suffix
    return path, ""


def _beside(base: str, suffix: str) -> str | None:
    """The file with this suffix, compressed or not, if there is one."""
    paths = (base + suffix, base + suffix + ".gz")
    return next((path for path in paths if os.path.exists(path)), None)


def _document(
    base: str, name: str, changes: Counter[str], on_error: ErrorHandler | None
) -> Document:
    text_path = _beside(base, ".txt")
    # A file with another suffix is read as an .ann file.
    annotations = _beside(base, ".ann") or (f"{base}.ann" if text_path else base)
    lines = list(read_lines(annotations, may_be_empty=text_path is not None))
    if lines and lines[0][1].strip() and not looks_like([lines[0][1]]):
        # A file of another kind: one error, not one per line.
        raise _malformed(annotations, *lines[0])
    if text_path is None:
        raise CorpusFormatError(
            annotations, 1, f"there is no {os.path.basename(base)}.txt beside it; expected the text"
        )
    parsed = _Annotations(annotations, on_error, changes)
    for number, line in lines:
        if line.strip():
            with handled(on_error):
                parsed.add(number, line)
    text = _fitting(read_document(text_path), parsed.mentions.values())
    return parsed.document(name, text)


class _Relation(NamedTuple):
    line: int
    type: str
    arguments: Sequence[str]


class _Annotations:
    """The lines of one `.ann` file, which may be in any order."""

    def __init__(self, path: str, on_error: ErrorHandler | None, changes: Counter[str]) -> None:
        self.mentions: dict[str, Mention] = {}
        self._relations: dict[str, _Relation] = {}
        self._scores: dict[str, float] = {}
        self._path = path
        self._on_error = on_error
        self._changes = changes

    def add(self, number: int, line: str) -> None:
        """Add a line.

        # Raises

        `CorpusFormatError`
            If it is malformed, or an earlier line has the same id.
        """
        mention, relation = _MENTION.fullmatch(line), _RELATION.fullmatch(line)
        score = _SCORE.fullmatch(line)
        name = ""
        if mention:
            name, kind, places, surface = mention.groups()
            spans = [(int(b), int(e)) for b, e in (pair.split() for pair in places.split(";"))]
            found = Mention(number, kind, *spans[0], pieces=spans, surface=surface)
            known = self.mentions.setdefault(name, found).line
        elif relation:
            name, kind, role, first, other, second = relation.groups()
            # The roles may have any names. With brat's own names the order may be reversed.
            arguments = (second, first) if (role, other) == ("Arg2", "Arg1") else (first, second)
            known = self._relations.setdefault(name, _Relation(number, kind, arguments)).line
        elif score and float(score.group(2)) <= 1:
            self._scores[score.group(1)] = float(score.group(2))
            return
        elif _LINE.match(line) and line[0] in _UNUSED:
            self._changes[f"{_UNUSED[line[0]]}, not used"] += 1
            return
        else:
            raise _malformed(self._path, number, line)
        if known != number:
            raise CorpusFormatError(self._path, number, f"the id {name} is already in line {known}")

    def document(self, name: str, text: str) -> Document:
        """The document that has this text."""
        places = {key: place for place, key in enumerate(self.mentions)}
        mentions = [
            mention._replace(score=self._scores.get(key)) for key, mention in self.mentions.items()
        ]
        links: list[Link] = []
        for key, relation in self._relations.items():
            with handled(self._on_error):
                link = self._link(key, relation, places)
                if link is not None:
                    links.append(link)
        unknown = self._scores.keys() - self.mentions.keys() - self._relations.keys()
        if unknown:
            self._changes["scores of undefined annotations, not used"] += len(unknown)
        return Document(self._path, 1, name, text, mentions, links)

    def _link(self, key: str, relation: _Relation, places: dict[str, int]) -> Link | None:
        if any(argument.startswith("E") for argument in relation.arguments):
            self._changes["relations of events, left out"] += 1
            return None
        for argument in relation.arguments:
            if argument not in places:
                raise CorpusFormatError(
                    self._path,
                    relation.line,
                    f"the relation {key} has the argument {argument}, which no line defines",
                )
        head, tail = (places[argument] for argument in relation.arguments)
        return Link(relation.line, relation.type, head, tail, self._scores.get(key))


def _malformed(path: PathLike, number: int, line: str) -> CorpusFormatError:
    return CorpusFormatError(
        path,
        number,
        f"expected a line such as 'T1<tab>TYPE BEGIN END<tab>WORDS' or 'R1<tab>TYPE Arg1:T1 "
        f"Arg2:T2'; found {quote(line)}",
    )


def _fitting(text: str, mentions: Collection[Mention]) -> str:
    """The text as the annotations count it: some tools count a Windows line end as one."""
    plain = text.lstrip("\ufeff").replace("\r\n", "\n")
    if plain == text:
        return text
    return max(text, plain, key=lambda text: sum(fits(text, mention) for mention in mentions))


def write(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write a directory atomically, and return the number of sentences.

    Consecutive sentences of a document, with ids such as `report:120-245`, are joined to the
    document. Every other sentence is a document. The text of a sentence without one is its tokens
    joined by spaces. Scores become notes. White space in types and most punctuation in file names
    become `_`, since brat does not allow them; changed types are counted.

    # Raises

    `FileExistsError`
        If the path exists and is not an empty directory.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists; expected a new or an empty directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing_directory(target) as temporary:
        writer = _Writer(temporary)
        for sentence in sentences:
            writer.add(sentence.with_text())
        writer.finish()
    log_changes(path, writer.changes)
    return writer.count


class _Writer:
    """Joins sentences to documents and writes their files."""

    def __init__(self, directory: Path) -> None:
        self.count = 0
        self.changes: Counter[str] = Counter()
        self._directory = directory
        self._taken: set[str] = set()
        self._open = False

    def _start(self, name: str) -> None:
        self._open, self._name, self._text = True, name, ""
        self._lines: list[str] = []
        self._numbers: Counter[str] = Counter()

    def add(self, sentence: Sentence) -> None:
        """Add the next sentence, which must have a text."""
        assert sentence.text is not None
        name, begin = parse_sentence_id(sentence)
        name = name or line_name(sentence)
        if not (self._open and name == self._name and 0 < begin == len(self._text)):
            self.finish()
            self._start(name if begin == 0 else sentence.id)
        self._add_annotations(sentence, len(self._text))
        self._text += sentence.text
        self.count += 1

    def _add_annotations(self, sentence: Sentence, base: int) -> None:
        names: dict[int, str] = {}
        for index, entity in enumerate(sentence.entities):
            begin, end = sentence.character_span(entity) or (0, 0)
            if begin == end:
                self.changes["entities without a character, left out"] += 1
                continue
            assert sentence.text is not None
            # As brat does: a mention of several lines has one piece per line.
            lines = [m.span() for m in re.finditer(r"[^\r\n]+", sentence.text[begin:end])]
            spans = [(begin + b, begin + e) for b, e in lines] or [(begin, end)]
            places = ";".join(f"{base + b} {base + e}" for b, e in spans)
            words = re.sub(r"\s", " ", " ".join(sentence.text[b:e] for b, e in spans))
            names[index] = self._line("T", f"{self._type(entity.type)} {places}\t{words}")
            self._note(names[index], entity.score)
        for relation in sentence.relations:
            if relation.head in names and relation.tail in names:
                arguments = f"Arg1:{names[relation.head]} Arg2:{names[relation.tail]}"
                name = self._line("R", f"{self._type(relation.type)} {arguments}\t")
                self._note(name, relation.score)

    def _line(self, letter: str, content: str) -> str:
        self._numbers[letter] += 1
        name = f"{letter}{self._numbers[letter]}"
        self._lines.append(f"{name}\t{content}\n")
        return name

    def _note(self, name: str, score: float | None) -> None:
        if score is not None:
            self._line("#", f"AnnotatorNotes {name}\tscore {_decimal(score)}")

    def _type(self, name: str) -> str:
        changed = "_".join(name.split()) or "_"
        if changed != name:
            self.changes["white space in types, changed to _"] += 1
        return changed

    def finish(self) -> None:
        """Write the current document, if there is one."""
        if not self._open:
            return
        self._open = False
        stem = name = _file_name(self._name) or "document"
        number = 1
        # Some file systems ignore case.
        while name.lower() in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name.lower())
        target = self._directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # As bytes, since text mode could change line ends, which the offsets count.
        target.with_name(f"{target.name}.txt").write_bytes(self._text.encode("utf-8"))
        annotations = "".join(self._lines).encode("utf-8")
        target.with_name(f"{target.name}.ann").write_bytes(annotations)


def _file_name(name: str) -> str:
    """A safe relative path for a document name."""
    parts = [re.sub(r"[^\w.+,@~() -]", "_", part).strip(" .")[:100] for part in name.split("/")]
    return "/".join(part for part in parts if part)


def _decimal(score: float) -> str:
    """The number without an exponent."""
    return format(Decimal(repr(float(score))), "f")
