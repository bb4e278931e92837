"""The XML of TAC 2017 ADR: adverse reactions in the labels of drugs, one file for each label.

    <Label drug="adcetris" track="TAC2017_ADR">
      <Text><Section name="adverse reactions" id="S1">... increased AST ...</Section></Text>
      <Mentions>
        <Mention id="M1" section="S1" type="Severity" start="10" len="5" str="fatal"/>
        <Mention id="M2" section="S1" type="AdverseReaction" start="24,46" len="9,3" .../>
      </Mentions>
      <Relations><Relation id="RL1" type="Effect" arg1="M2" arg2="M1"/></Relations>
      <Reactions>...</Reactions>
    </Label>

`start` counts the characters of the section; several numbers are a mention in pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, parsed, sentences_of
from joint_ner_re.corpora.errors import ErrorHandler, PathLike, handled
from joint_ner_re.corpora.files import parse_int
from joint_ner_re.corpora.text import Span
from joint_ner_re.corpora.units import Unit
from joint_ner_re.corpora.xml_elements import (
    Element,
    count_misplaced,
    looks_like_root,
    read_elements,
)
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the outermost element is `Label`."""
    return looks_like_root(first_lines, "Label")


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    discontinuous: str = "drop",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read labels of drugs. Each section is a document, whose id is `adcetris/S1`.

    # Parameters

    path : `str`
        A file, or a directory of them.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the sections.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How sections are divided: into sentences (with ids such as `adcetris/S1:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
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
    sections = (
        (section,)
        for label in read_elements(path, "Label", "Label", changes, on_error)
        for section in _sections(label, changes, on_error)
    )
    documents = parsed(sections, lambda section: section, on_error)
    yield from sentences_of(documents, tokenizer, unit, changes, on_error, discontinuous)
    log_changes(path, changes)


def _sections(
    label: Element, changes: Counter[str], on_error: ErrorHandler | None
) -> Iterator[Document]:
    """A label's sections with their mentions and relations."""
    with handled(on_error):
        documents = _Label(label, changes, on_error).documents()
        reactions = sum(len(group.all("Reaction")) for group in label.all("Reactions"))
        if reactions:
            changes["reactions of a whole label, not used"] += reactions
        yield from documents


class _Label:
    """The annotations of one label."""

    def __init__(
        self, label: Element, changes: Counter[str], on_error: ErrorHandler | None
    ) -> None:
        self._label = label
        self._changes = changes
        self._texts: dict[str, Element] = {}
        self._mentions: dict[str, list[Mention]] = {}
        self._links: dict[str, list[Link]] = {}
        # Of each mention its section and its place there.
        self._places: dict[str, tuple[str, int]] = {}
        for section in _within(label, "Text", "Section"):
            name = section.get("id")
            if name in self._texts:
                raise section.error("has an id that stands twice in its file")
            self._texts[name] = section
            self._mentions[name], self._links[name] = [], []
        if not self._texts:
            raise label.error("has no <Section> in a <Text>; expected the label's text")
        mentions = _within(label, "Mentions", "Mention")
        relations = _within(label, "Relations", "Relation")
        read = {"Section": len(self._texts), "Mention": len(mentions), "Relation": len(relations)}
        count_misplaced(label, read, changes)
        for mention in mentions:
            with handled(on_error):
                self._add_mention(mention)
        for relation in relations:
            with handled(on_error):
                self._add_relation(relation)

    def documents(self) -> list[Document]:
        drug = self._label.get("drug")
        return [
            Document(
                section.path,
                section.line,
                f"{drug}/{name}",
                section.text,
                self._mentions[name],
                self._links[name],
            )
            for name, section in self._texts.items()
        ]

    def _add_mention(self, mention: Element) -> None:
        name, section = mention.get("id"), mention.get("section")
        if name in self._places:
            raise mention.error("has an id that stands twice in its file")
        if section not in self._texts:
            raise mention.error(f"is of section {quote(section, 40)}, which the text lacks")
        pieces = _pieces(mention)
        made = Mention(
            mention.line, mention.get("type"), *pieces[0], pieces=pieces, surface=mention.get("str")
        )
        # No earlier: a mention with an error must not be there for relations.
        self._places[name] = (section, len(self._mentions[section]))
        self._mentions[section].append(made)

    def _add_relation(self, relation: Element) -> None:
        ends: list[tuple[str, int]] = []
        for role in ("arg1", "arg2"):
            name = relation.get(role)
            if name not in self._places:
                raise relation.error(f"has {role} {quote(name, 40)}, but no mention has this id")
            ends.append(self._places[name])
        (section, head), (other, tail) = ends
        if section != other:
            self._changes["relations from one section to another, left out"] += 1
            return
        self._links[section].append(Link(relation.line, relation.get("type"), head, tail))


def _within(label: Element, outer: str, inner: str) -> list[Element]:
    return [element for group in label.all(outer) for element in group.all(inner)]


def _pieces(mention: Element) -> list[Span]:
    """Where the mention's pieces begin and end, from `start="24,46" len="9,3"`."""
    numbers = []
    for name in ("start", "len"):
        found = mention.get(name).split(",")
        what = f"{name} of the element <Mention>"
        numbers.append([parse_int(mention.path, mention.line, n.strip(), what) for n in found])
    starts, lengths = numbers
    if len(starts) != len(lengths):
        raise mention.error(
            f"has {len(starts)} numbers in start and {len(lengths)} in len; expected as many"
        )
    return [(start, start + length) for start, length in zip(starts, lengths)]
