"""Label Studio's JSON export: a list of tasks, each a text with the results of its annotators.

[{"id": 4, "data": {"text": "Ada left Kesh."}, "annotations": [{"id": 9, "result": [
  {"id": "a", "from_name": "label", "to_name": "text", "type": "labels",
   "value": {"start": 0, "end": 3, "text": "Ada", "labels": ["Peop"]}},
  {"id": "b", "from_name": "label", "to_name": "text", "type": "labels",
   "value": {"start": 9, "end": 13, "text": "Kesh", "labels": ["Loc"]}},
  {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right",
   "labels": ["Live_In"]}]}]}]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, sentences_of
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.json_values import first_element, first_object, read_records
from joint_ner_re.corpora.mentions import fits
from joint_ner_re.corpora.offsets import check_offsets, in_codepoints
from joint_ner_re.corpora.text import check_length
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get, get_list
from joint_ner_re.sentence import Sentence

_ANNOTATIONS = ("annotations", "completions")
_RESULTS = (*_ANNOTATIONS, "predictions")
_UNTYPED = "Relation"
# The types of results that are spans of a text; the last two may be, if it is not HTML.
_SPANS = ("labels", "hypertextlabels", "paragraphlabels")
_MAX_LABELS = 20
_EXPORT = 'choose "JSON" where Label Studio exports (not JSON-MIN, CSV or CoNLL2003)'


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first element has data and results of annotators or models."""
    return any(_is_task(record) for record in _first_records(first_lines))


def looks_like_another_export(first_lines: Sequence[str]) -> str | None:
    """What to export instead, if this is an export of Label Studio without relations."""
    for record in _first_records(first_lines):
        if _is_min(record):
            return f"this is Label Studio's JSON-MIN, which has no relations; {_EXPORT}"
    # A header and then lines such as "Ada -X- _ B-Peop".
    rows = [line.split() for line in first_lines[:20] if line.strip()]
    rows = [row for row in rows if row != ["-DOCSTART-", "-X-", "O"]]
    if rows and all(len(row) == 4 and row[1:3] == ["-X-", "_"] for row in rows):
        return (
            f"this is Label Studio's CoNLL2003 export, which has no relations; {_EXPORT}, or give "
            "the format conll to read the entities alone"
        )
    return None


def _first_records(first_lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    record = first_element(first_lines)
    yield first_object(first_lines) if record is None else record


def _is_task(record: dict[str, Any]) -> bool:
    # Where a task is longer than the lines at hand, its last value is cut, and is `None`.
    cut = next(reversed(record.values()), "") is None
    return (
        bool(set(_RESULTS) & record.keys())
        and (isinstance(record.get("data"), dict) or cut)
        and "passages" not in record
    )


def _is_min(record: dict[str, Any]) -> bool:
    return {"annotation_id", "lead_time"} <= record.keys() and not isinstance(
        record.get("data"), dict
    )


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    offsets: str | None = None,
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read the JSON export of Label Studio, or a file of tasks with predictions.

    # Parameters

    path : `str`
        The file: a JSON list of tasks, or a task in each line.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the texts.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How texts are divided: into sentences (with ids such as `12:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    offsets : `str`, optional (default = `None`)
        What offsets count, `"codepoints"` or `"utf-16"`; see `offsets.OFFSETS`. By default the
        words that the file repeats show it.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a task or an annotation, which is skipped.

    # Raises

    `CorpusFormatError`
        If the file is another export, or an annotation does not fit the text.
    `ValueError`
        If `offsets` has no such value.
    """
    check_offsets(offsets)
    changes: Counter[str] = Counter()
    documents = _documents(path, changes, on_error)
    documents = in_codepoints(documents, offsets, changes, on_error)
    yield from sentences_of(documents, tokenizer, unit, changes, on_error)
    log_changes(path, changes)


def _documents(
    path: PathLike, changes: Counter[str], on_error: ErrorHandler | None
) -> Iterator[Document]:
    """A document for each text of each annotator of each task."""
    for line, record in read_records(path, on_error):
        documents: list[Document] = []
        with handled(on_error), located(path, line):
            found = list(_Task(path, line, record, changes).documents())
            for document in found:
                check_length(path, line, document.text)
            documents = found
        yield from documents


class _Task:
    """A text, or several, with the results of its annotators."""

    def __init__(
        self, path: PathLike, line: int, record: dict[str, Any], changes: Counter[str]
    ) -> None:
        if _is_min(record):
            raise CorpusFormatError(
                path, line, f"this is Label Studio's JSON-MIN, which has no relations; {_EXPORT}"
            )
        self._path = path
        self._line = line
        self._record = record
        self._changes = changes
        data = get(record, "data", dict, "the task")
        self._texts = {key: text for key, text in data.items() if isinstance(text, str)}
        name = record.get("id")
        known = isinstance(name, (str, int)) and not isinstance(name, bool)
        self._name = str(name) if known else str(line)

    def documents(self) -> Iterator[Document]:
        """A document for each annotation that is used, and each text in it."""
        chosen = self._chosen()
        for number, annotation in enumerate(chosen):
            name = self._name
            if len(chosen) > 1:
                own = annotation.get("id", number)
                name += f"-{own if isinstance(own, (str, int)) else number}"
            results = get(annotation, "result", list, "an annotation", [])
            yield from _Results(self._path, self._line, name, self._texts, self._changes).documents(
                results
            )

    def _chosen(self) -> list[dict[str, Any]]:
        """The annotations that are used: the true one, or all that were not cancelled."""
        key = next((key for key in _ANNOTATIONS if key in self._record), None)
        if key is None:
            predictions = get_list(self._record, "predictions", dict, "the task")
            if len(predictions) > 1:
                self._changes["predictions of other models than the last one, not used"] += (
                    len(predictions) - 1
                )
            if predictions:
                self._changes["tasks without annotations, of which the prediction was read"] += 1
            return predictions[-1:]
        found = get_list(self._record, key, dict, "the task", [])
        kept = [annotation for annotation in found if not annotation.get("was_cancelled")]
        if len(kept) < len(found):
            self._changes["annotations that were cancelled, left out"] += len(found) - len(kept)
        true = [annotation for annotation in kept if annotation.get("ground_truth")]
        if true and len(true) < len(kept):
            self._changes["annotations beside a ground truth, left out"] += len(kept) - len(true)
        if not found:
            self._changes["tasks that nobody annotated, left out"] += 1
        return true or kept


class _Results:
    """The results of one annotator, put together to documents."""

    def __init__(
        self,
        path: PathLike,
        line: int,
        name: str,
        texts: dict[str, str],
        changes: Counter[str],
    ) -> None:
        self._path = path
        self._line = line
        self._name = name
        self._texts = texts
        self._changes = changes
        self._mentions: dict[str, list[Mention]] = {}
        # The text and the places there of each region's mentions.
        self._regions: dict[str, tuple[str, list[int]]] = {}
        self._unused: set[str] = set()
        self._links: dict[str, list[Link]] = {}

    def documents(self, results: Sequence[Any]) -> Iterator[Document]:
        relations: list[Any] = []
        for item in results:
            kind = get(item, "type", str, "a result")
            if kind == "relation":
                relations.append(item)
            elif kind in _SPANS:
                self._add_region(item, kind)
            else:
                self._changes[f"results of the type {quote(kind, 40)}, not used"] += 1
                if isinstance(item.get("id"), str):
                    self._unused.add(item["id"])
        for item in relations:
            self._add_relation(item)
        # A text without a region is a document, too, if there is no doubt which one it is.
        names = list(self._mentions) or [""]
        for to_name in names:
            mentions = self._mentions.get(to_name, [])
            text = self._text(to_name, mentions)
            name = self._name if len(names) == 1 else f"{self._name}/{to_name}"
            links = self._links.get(to_name, [])
            yield Document(self._path, self._line, name, text, mentions, links)

    def _add_region(self, item: Any, kind: str) -> None:
        value = get(item, "value", dict, "a result")
        to_name = get(item, "to_name", str, "a result", "")
        begin, end = self._places(value, kind)
        labels = value.get(kind, value.get("labels"))
        if labels is None:
            labels = []
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise self._error(f"the labels of a result are {quote_json(labels)}; expected strings")
        labels = list(dict.fromkeys(labels))
        if len(labels) > _MAX_LABELS:
            raise self._error(f"a region with {len(labels)} labels; expected at most {_MAX_LABELS}")
        surface = value.get("text")
        if not isinstance(surface, str) or not surface.strip():
            surface = None
        score = item.get("score")
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
            score = None
        name = item.get("id")
        mentions = self._mentions.setdefault(to_name, [])
        places = list(range(len(mentions), len(mentions) + len(labels)))
        mentions += [
            Mention(self._line, label, begin, end, score, surface=surface) for label in labels
        ]
        if not labels:
            self._changes["regions without a label, left out"] += 1
        elif len(labels) > 1:
            self._changes["regions with several labels, read as a mention for each"] += 1
        if isinstance(name, str):
            self._add_id(name, to_name, places, begin, end)

    def _add_id(self, name: str, to_name: str, places: list[int], begin: int, end: int) -> None:
        if name in self._regions:
            known, before = self._regions[name]
            same = known == to_name and all(
                (self._mentions[known][place].begin, self._mentions[known][place].end)
                == (begin, end)
                for place in before
            )
            # The labels of several controls for one region have its id.
            if not same or len(before) + len(places) > _MAX_LABELS:
                raise self._error(f"the region's id {quote(name, 40)} stands twice")
            places = before + places
        self._regions[name] = (to_name, places)

    def _places(self, value: dict[str, Any], kind: str) -> tuple[int, int]:
        if kind == "labels" and "globalOffsets" not in value:
            return get(value, "start", int, "a value"), get(value, "end", int, "a value")
        offsets = value.get("globalOffsets")
        if offsets is None or any("<" in text for text in self._texts.values()):
            raise self._error(
                f"a region of the type {quote(kind, 40)}, whose places are those of HTML or of a "
                "dialogue; expected the places in a text: label it with <Text> instead of "
                "<HyperText> or <Paragraphs>"
            )
        what = "'globalOffsets'"
        return get(offsets, "start", int, what), get(offsets, "end", int, what)

    def _add_relation(self, item: Any) -> None:
        ends: list[tuple[str, list[int]]] = []
        for role in ("from_id", "to_id"):
            name = get(item, role, str, "a relation")
            if name in self._regions:
                ends.append(self._regions[name])
            elif name in self._unused:
                ends.append(("", []))
            else:
                raise self._error(
                    f"a relation has {role} {quote(name, 40)}, but no region has this id"
                )
        direction = get(item, "direction", str, "a relation", "right")
        if direction not in ("right", "left", "bi"):
            raise self._error(
                f"a relation has the direction {quote(direction, 40)}; expected right, left or bi"
            )
        labels = get_list(item, "labels", str, "a relation", [])
        if not labels:
            self._changes[f"relations without a label, read as {_UNTYPED}"] += 1
        (one, first), (other, second) = ends
        if not first or not second:
            self._changes["relations of mentions that were left out"] += max(len(labels), 1)
            return
        if one != other:
            self._changes["relations from one text to another, left out"] += max(len(labels), 1)
            return
        pairs: list[tuple[int, int]] = []
        for head, tail in ((a, b) for a in first for b in second):
            pairs += [(head, tail)] * (direction != "left") + [(tail, head)] * (
                direction != "right"
            )
        if direction == "bi":
            self._changes["relations in both directions, read as two"] += 1
        self._links.setdefault(one, []).extend(
            Link(self._line, label, head, tail)
            for label in dict.fromkeys(labels or [_UNTYPED])
            for head, tail in pairs
        )

    def _text(self, to_name: str, mentions: Sequence[Mention]) -> str:
        """The text that these mentions are of: by its key, or because it is the only one."""
        if to_name in self._texts:
            return self._texts[to_name]
        if len(self._texts) == 1:
            return next(iter(self._texts.values()))
        fitting = _fitting(self._texts.values(), mentions)
        if len(fitting) != 1:
            found = ", ".join(quote(key, 40) for key in self._texts) or "none"
            raise self._error(
                f"'data' of the task has the texts {found}, and {len(fitting)} of them fit the "
                f"regions of {quote(to_name, 40)}; expected one text: give it the key "
                f"{quote(to_name or 'text', 40)}, or leave out the others"
            )
        return fitting[0]

    def _error(self, reason: str) -> CorpusFormatError:
        return CorpusFormatError(self._path, self._line, f"task {quote(self._name, 40)}: {reason}")


def _fitting(texts: Iterable[str], mentions: Sequence[Mention]) -> list[str]:
    """The texts in which most mentions stand."""
    found = {text: sum(fits(text, mention) for mention in mentions) for text in texts}
    most = max(found.values(), default=0)
    return [text for text, number in found.items() if number == most]
