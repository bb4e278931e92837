"""The text format of Bekoulis' multihead system.

    #doc 17
    0	Ada	B-Peop	['N']	[0]
    1	Marek	I-Peop	['Live_In', 'Work_For']	[3, 5]

Each token has an index, a tag and two parallel lists: the types of the relations whose head ends at
this token, and the last token of each tail. `['N']` and the token's own index mean no relation.
"""

from __future__ import annotations

import ast
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located
from joint_ner_re.corpora.files import columns, parse_int, read_rows
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

_COLUMNS = "index, token, tag, relations, tails"
_NONE = "N"
# Enough for hundreds of relations of one token. Longer text is not passed to Python's parser.
_MAX_LITERAL = 10_000


class _Row(NamedTuple):
    line: int
    token: str
    tag: str
    relations: list[str]
    tails: list[int]


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line starts with `#doc`."""
    return first_lines[0].split()[:1] == ["#doc"]


def read(path: PathLike) -> Iterator[Sentence]:
    """Read a file of the multihead system.

    An `I-` tag that continues no entity starts one, as in conlleval, and is counted. The published
    training file has two, where the first word of an annotated entity is tagged `O`.

    # Parameters

    path : `str`
        The file.

    # Raises

    `CorpusFormatError`
        If a line is malformed, or an argument of a relation is not the last token of an entity.
    """
    changes: Counter = Counter()
    seen: dict[str, int] = {}
    name, first_line = "", 0
    rows: list[_Row] = []
    for number, line in read_rows(path):
        if line.startswith("#"):
            if first_line:
                yield _sentence(path, first_line, name, rows, changes)
            name, first_line, rows = _name(path, number, line), number, []
            if name in seen:
                raise CorpusFormatError(
                    path, number, f"#doc {name} is already in line {seen[name]}"
                )
            seen[name] = number
        elif not first_line:
            raise CorpusFormatError(
                path, number, f"expected '#doc' and an id before the first token: {quote(line)}"
            )
        else:
            rows.append(_row(path, number, line, len(rows)))
    yield _sentence(path, first_line, name, rows, changes)
    for what, count in sorted(changes.items()):
        logger.warning("%s: %s: %d", path, what, count)


def _name(path: PathLike, number: int, line: str) -> str:
    found = line.split()
    if len(found) != 2 or found[0] != "#doc":
        raise CorpusFormatError(path, number, f"expected '#doc' and an id; found {quote(line)}")
    return found[1]


def _row(path: PathLike, number: int, line: str, index: int) -> _Row:
    found = columns(path, number, line, "\t", _COLUMNS)
    if parse_int(path, number, found[0], "the token's index") != index:
        raise CorpusFormatError(path, number, f"the token's index is {found[0]}; expected {index}")
    if not found[1].strip():
        raise CorpusFormatError(path, number, "the token is empty")
    tag = found[2]
    if tag != "O" and not (tag[:2] in ("B-", "I-") and tag[2:].strip()):
        raise CorpusFormatError(
            path, number, f"the tag is {quote(tag, 40)}; expected O, B-TYPE or I-TYPE"
        )
    relations = _literal(path, number, found[3], str, "strings")
    tails = _literal(path, number, found[4], int, "numbers")
    if len(relations) != len(tails) or not relations:
        raise CorpusFormatError(
            path,
            number,
            f"{len(relations)} relations and {len(tails)} tails; expected the same number of both, "
            f"and at least ['{_NONE}'] and the token's own index",
        )
    if _NONE in relations:
        if relations != [_NONE] or tails != [index]:
            raise CorpusFormatError(
                path,
                number,
                f"'{_NONE}' means no relation and stands alone, with the token's own index "
                f"[{index}]; found {quote(found[3])} and {quote(found[4])}",
            )
        relations, tails = [], []
    return _Row(number, found[1], tag, relations, tails)


def _literal(path: PathLike, number: int, text: str, kind: type, name: str) -> list[Any]:
    value = _evaluate(text.strip()) if len(text) <= _MAX_LITERAL else None
    # `type(...) is`, because isinstance takes True for an int. An escape may be half of a surrogate
    # pair, which UTF-8 cannot encode.
    if not isinstance(value, list) or not all(
        type(item) is kind and (not isinstance(item, str) or _is_text(item)) for item in value
    ):
        raise CorpusFormatError(
            path,
            number,
            f"expected a list of {name} such as "
            f"{['Kill'] if kind is str else [4]}; found {quote(text)}",
        )
    return value


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


@lru_cache(maxsize=4096)
def _evaluate(text: str) -> Any:
    # Cached because most lists are the same few. Python's warnings about literals, such as an
    # unknown escape, are irrelevant here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return None


def _sentence(
    path: PathLike, first_line: int, name: str, rows: list[_Row], changes: Counter
) -> Sentence:
    if not rows:
        raise CorpusFormatError(path, first_line, f"#doc {name} has no tokens")
    entities = _entities(rows, changes)
    ending_at = {entity.end - 1: index for index, entity in enumerate(entities)}
    relations: dict[Relation, None] = {}
    for index, row in enumerate(rows):
        for kind, tail in zip(row.relations, row.tails):
            head_entity, tail_entity = (
                _argument(path, row.line, kind, position, ending_at, len(rows))
                for position in (index, tail)
            )
            if head_entity == tail_entity:
                raise CorpusFormatError(
                    path, row.line, f"the relation {kind} links token {index} to itself"
                )
            relation = Relation(kind, head_entity, tail_entity)
            if relation in relations:
                changes["relations given more than once, kept once"] += 1
            relations[relation] = None
    with located(path, first_line):
        return Sentence(
            [row.token for row in rows],
            entities,
            tuple(relations),
            name,
            source=f"{path}:{first_line}",
        )


def _entities(rows: list[_Row], changes: Counter) -> list[Entity]:
    spans: list[tuple[str, int, int]] = []
    for index, row in enumerate(rows):
        prefix, kind = row.tag[:2], row.tag[2:]
        if prefix == "I-" and spans and spans[-1][0] == kind and spans[-1][2] == index:
            spans[-1] = (kind, spans[-1][1], index + 1)
        elif row.tag != "O":
            if prefix == "I-":
                changes["I- tags that continue no entity, read as B-"] += 1
            spans.append((kind, index, index + 1))
    return [Entity(*span) for span in spans]


def _argument(
    path: PathLike, line: int, kind: str, position: int, ending_at: dict[int, int], length: int
) -> int:
    if position not in ending_at:
        what = (
            "which is not the last token of an entity"
            if 0 <= position < length
            else f"but the sentence has {length} tokens"
        )
        raise CorpusFormatError(
            path, line, f"the relation {quote(kind, 40)} has token {position} as argument, {what}"
        )
    return ending_at[position]
