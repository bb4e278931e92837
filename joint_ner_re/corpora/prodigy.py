"""Prodigy's annotations, as `prodigy db-out` exports them: JSON lines with `text` and `spans`.

    {"text": "Ada left.", "tokens": [{"text": "Ada", "start": 0, "end": 3, "id": 0}, ...],
     "spans": [{"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "Peop"}, ...],
     "relations": [{"head": 0, "child": 4, "label": "Live_In",
                    "head_span": {"start": 0, "end": 3, ...}, "child_span": {...}}],
     "answer": "accept"}

`token_end` is the last token of a span, and `head` and `child` are the last tokens of the two
arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import (
    DocumentTokenizer,
    log_changes,
    parsed,
    sentences_of,
)
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    located,
)
from joint_ner_re.corpora.json_values import first_object, read_objects
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote
from joint_ner_re.records import get
from joint_ner_re.sentence import Sentence

_OWN_KEYS = {"_input_hash", "_task_hash", "answer", "spans"}
_ANSWERS = ("accept", "reject", "ignore")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line is an object with one of Prodigy's keys, or with tokens as objects."""
    record = first_object(first_lines)
    tokens = record.get("tokens")
    return bool(_OWN_KEYS & record.keys()) or (
        isinstance(tokens, list) and bool(tokens) and isinstance(tokens[0], dict)
    )


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read the output of `prodigy db-out` for `ner.manual`, `spans.manual`, `rel.manual` etc.

    Only accepted examples are used. The texts are tokenized like any other raw text, so that
    training and prediction see the same tokens. Prodigy's tokens are used only for spans without
    character offsets.

    # Parameters

    path : `str`
        The file.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the texts.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How texts are divided: into sentences (with ids such as `12:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a line or an annotation, which is skipped.

    # Raises

    `CorpusFormatError`
        If a line is not an object with Prodigy's keys, or an annotation does not fit the text.
    """
    changes: Counter[str] = Counter()

    def parse(line: int, record: dict[str, Any]) -> Document | None:
        with located(path, line):
            return _document(path, line, record, changes)

    documents = parsed(read_objects(path, on_error), parse, on_error)
    yield from sentences_of(documents, tokenizer, unit, changes, on_error)
    log_changes(path, changes)


def _document(
    path: PathLike, line: int, record: dict[str, Any], changes: Counter[str]
) -> Document | None:
    if not _OWN_KEYS & record.keys():
        known = ", ".join(sorted(_OWN_KEYS))
        raise CorpusFormatError(
            path, line, f"expected one of the keys {known}, as prodigy db-out writes them"
        )
    answer = record.get("answer", "accept")
    if answer not in _ANSWERS:
        expected = ", ".join(_ANSWERS)
        raise CorpusFormatError(path, line, f"the answer is {answer!r}; expected {expected}")
    if answer != "accept":
        changes[f"examples with the answer {answer!r}, not used"] += 1
        return None
    text = get(record, "text", str, "the example")
    tokens = get(record, "tokens", list, "the example", [])
    mentions: list[Mention] = []
    # The last token of each mention, if its span has one.
    lasts: list[int | None] = []
    for item in get(record, "spans", list, "the example", []):
        begin, end = _characters(path, line, item, tokens)
        if item.get("label") is None:
            changes["spans without a label, left out"] += 1
            continue
        mentions.append(Mention(line, get(item, "label", str, "a span"), begin, end))
        lasts.append(item.get("token_end"))
    links: list[Link] = []
    for item in get(record, "relations", list, "the example", []):
        label = get(item, "label", str, "a relation")
        head = _argument(path, line, item, "head", mentions, lasts)
        tail = _argument(path, line, item, "child", mentions, lasts)
        if head is None or tail is None:
            changes["relations with an argument that is no labelled span, left out"] += 1
        else:
            links.append(Link(line, label, head, tail))
    return Document(path, line, _name(line, record), text, mentions, links)


def _name(line: int, record: dict[str, Any]) -> str:
    """The `id` of the example or of its `meta`, or the line number."""
    meta = record.get("meta")
    for holder in (record, meta if isinstance(meta, dict) else {}):
        name = holder.get("id")
        if isinstance(name, (str, int)) and not isinstance(name, bool):
            return str(name)
    return str(line)


def _characters(path: PathLike, line: int, span: Any, tokens: Sequence[Any]) -> tuple[int, int]:
    """The character offsets of a span."""
    if not isinstance(span, dict) or "start" in span or not tokens:
        return (
            get(span, "start", int, "a span"),
            get(span, "end", int, "a span"),
        )
    first = get(span, "token_start", int, "a span")
    last = get(span, "token_end", int, "a span")
    if not 0 <= first <= last < len(tokens):
        raise CorpusFormatError(
            path,
            line,
            f"a span covers tokens {first} to {last}; expected 0 <= token_start <= token_end < "
            f"{len(tokens)}, the number of tokens",
        )
    return (
        get(tokens[first], "start", int, "a token"),
        get(tokens[last], "end", int, "a token"),
    )


def _argument(
    path: PathLike,
    line: int,
    relation: dict[str, Any],
    role: str,
    mentions: Sequence[Mention],
    lasts: Sequence[int | None],
) -> int | None:
    """The index of the mention that is the relation's `head` or `child`, or `None`."""
    span = relation.get(f"{role}_span")
    if span is not None:
        begin = get(span, "start", int, f"a {role}_span")
        end = get(span, "end", int, f"a {role}_span")
        found = [i for i, m in enumerate(mentions) if (m.begin, m.end) == (begin, end)]
        # Spans with the same characters may differ in their label.
        labelled = [index for index in found if mentions[index].type == span.get("label")]
        found = labelled or found
    else:
        token = get(relation, role, int, "a relation")
        found = [index for index, last in enumerate(lasts) if last == token]
    if len(found) > 1:
        raise CorpusFormatError(
            path,
            line,
            f"the {role} of the relation {quote(str(relation['label']), 40)} could be any of "
            f"{len(found)} spans; expected a {role}_span with its label",
        )
    return found[0] if found else None
