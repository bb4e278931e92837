"""Checks that no reader drops anything silently.

Everything in a file must be in its sentences or in the log. Each function counts a file's records,
mentions, relations and so on by the simplest means, to compare them with the sentences. It gets
only files that were read without an error.
"""

import ast
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pyarrow.parquet import read_table
from watch import LogCounter

from joint_ner_re.sentence import Sentence

Balance = Iterator[tuple[str, int, int]]

_TWICE = "relations given more than once"
_MERGED = ("mentions with the type and the tokens of another one",)
_CUT = ("mentions over the end of a sentence",)
_LINKS = (_TWICE, "relations between two mentions", "relations from one sentence to another")


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _content(path: Path) -> str:
    return _bytes(path).decode("utf-8-sig")


def _lines(path: Path) -> list[str]:
    return [line.rstrip("\r") for line in _content(path).split("\n") if line.strip()]


def _sizes(sentences: Sequence[Sentence]) -> tuple[int, int, int]:
    return (
        sum(len(sentence.tokens) for sentence in sentences),
        sum(len(sentence.entities) for sentence in sentences),
        sum(len(sentence.relations) for sentence in sentences),
    )


def _ade_neg(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    yield "lines", len(_lines(path)), len(sentences)


def _ade_rel(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    rows = [line.split("|") for line in _lines(path)]
    yield "sentences", len({(row[0], row[1]) for row in rows}), len(sentences)
    yield "relations", len(rows), _sizes(sentences)[2] + log.total(_TWICE)


def _conll04_corp(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    rows = [line.split("\t") for line in _lines(path)]
    tokens, entities, relations = _sizes(sentences)
    words = [row for row in rows if len(row) == 9]
    pieces = sum(1 if row[5] == "/" else row[5].count("/") + 1 for row in words)
    yield "sentences", len({row[0] for row in words}), len(sentences)
    yield "tokens", pieces, tokens
    yield "entities", sum(row[1] != "O" for row in words), entities
    yield "relations", len(rows) - len(words), relations + log.total(_TWICE)


def _multihead(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    lines = _lines(path)
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    tokens, entities, relations = _sizes(sentences)
    begun = sum(row[2].startswith("B-") for row in rows)
    links = [name for row in rows for name in ast.literal_eval(row[3].strip()) if name != "N"]
    yield "sentences", len(lines) - len(rows), len(sentences)
    yield "tokens", len(rows), tokens
    yield "entities", begun + log.total("I- tags"), entities
    yield "relations", len(links), relations + log.total(_TWICE)


def _sentence_records(records: Sequence[Any], sentences: Sequence[Sentence]) -> Balance:
    for name, size in zip(("tokens", "entities", "relations"), _sizes(sentences)):
        yield name, sum(len(record.get(name) or ()) for record in records), size


def _spert(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = json.loads(_content(path))
    yield "sentences", len(records), len(sentences)
    yield from _sentence_records(records, sentences)


def _jsonl(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = [json.loads(line) for line in _lines(path)]
    failed = [record for record in records if "error" in record and "tokens" not in record]
    yield "failed documents", len(failed), log.total("documents that failed")
    records = [record for record in records if record not in failed]
    yield from _sentence_records(records, sentences)


def _documents(
    texts: Sequence[str], mentions: int, links: int, sentences: Sequence[Sentence], log: LogCounter
) -> Balance:
    _, entities, relations = _sizes(sentences)
    yield "mentions", mentions, entities + log.total(*_MERGED)
    yield "relations", links, relations + log.total(*_LINKS)
    characters = sum(len(sentence.text or "") for sentence in sentences)
    if not log.total("documents without a word"):
        yield "characters", sum(map(len, texts)), characters


def _doccano(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = [json.loads(line) for line in _lines(path)]
    texts = [r["data"] if "data" in r and "text" not in r else r["text"] for r in records]
    mentions = sum(len(r.get(k) or ()) for r in records for k in ("label", "labels", "entities"))
    links = sum(len(record.get("relations") or ()) for record in records)
    yield from _documents(texts, mentions, links, sentences, log)


def _dygie(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    documents = [json.loads(line) for line in _lines(path)]
    words = [tokens for document in documents for tokens in document["sentences"]]
    annotations = [
        [item for document in documents for items in document.get(key) or () for item in items]
        for key in ("ner", "relations")
    ]
    tokens, entities, relations = _sizes(sentences)
    yield "sentences", len(words), len(sentences)
    yield "tokens", sum(map(len, words)), tokens
    yield "mentions", len(annotations[0]), entities + log.total(*_MERGED, *_CUT)
    left_out = log.total(*_LINKS, "relations of spans that are no entity", "relations of mentions")
    yield "relations", len(annotations[1]), relations + left_out


def _records(path: Path) -> list[Any]:
    """The elements of a JSON list, or JSON lines."""
    content = _content(path).lstrip()
    if content.startswith("["):
        return json.loads(content)
    return [json.loads(line) for line in _lines(path)]


def _gliner(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = _records(path)
    yield "sentences", len(records), len(sentences)
    for name, size in zip(("tokenized_text", "ner", "relations"), _sizes(sentences)):
        yield name, sum(len(record.get(name) or ()) for record in records), size


def _conll(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    rows = [line.strip(" \t") for line in _lines(path) if not line.startswith("-DOCSTART-")]
    # Where a row has tabs, a blank does not part columns.
    tags = [(row.split("\t") if "\t" in row else row.split(" "))[-1] for row in rows]
    tokens, entities, _ = _sizes(sentences)
    yield "tokens", len(rows), tokens + log.total("comments before sentences")
    # What continues an entity is inside one; what does not begins one.
    inside = sum(entity.end - entity.start for s in sentences for entity in s.entities)
    tagged = sum(re.fullmatch("[BIESLUMW](-.+)?", tag) is not None for tag in tags)
    yield "tags of entities", tagged, inside
    least = sum(tag[0] in "BSUW" for tag in tags if re.fullmatch("[BSUW](-.+)?", tag))
    yield "entities", max(least, entities), entities


def _casrel(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = _records(path)
    yield "sentences", len(records), len(sentences)
    yield "texts", sum(len(r["text"]) for r in records), sum(len(s.text or "") for s in sentences)
    left_out = log.total("triples with an argument", "triples of two arguments", _TWICE)
    triples = sum(len(record["triple_list"]) for record in records)
    yield "triples", triples, _sizes(sentences)[2] + left_out


def _docred(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    documents = _records(path)
    words = [tokens for document in documents for tokens in document["sents"]]
    mentions = sum(len(vertex) for d in documents for vertex in d.get("vertexSet") or ())
    labels = sum(len(document.get("labels") or ()) for document in documents)
    tokens, entities, relations = _sizes(sentences)
    yield "sentences", len(words), len(sentences)
    yield "tokens", sum(map(len, words)), tokens
    yield "mentions", mentions, entities + log.total(*_MERGED)
    yield "labels", labels, relations + log.total("labels of two", *_LINKS)


def _label_studio(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    results: list[Any] = []
    for task in _records(path):
        found = task.get("annotations", task.get("completions"))
        if found is None and not ("annotations" in task or "completions" in task):
            used = task["predictions"][-1:]
        else:
            used = [item for item in found or () if not item.get("was_cancelled")]
            used = [item for item in used if item.get("ground_truth")] or used
        results += [result for item in used for result in item.get("result") or ()]
    regions = [r for r in results if r["type"].endswith("labels") and r["type"] != "relation"]
    labels = [set(r["value"].get(r["type"], r["value"].get("labels")) or ()) for r in regions]
    _, entities, relations = _sizes(sentences)
    yield "mentions", sum(map(len, labels)), entities + log.total(*_MERGED)
    yield "no labels", sum(not found for found in labels), log.total("regions without a label")
    several = log.total("regions with several labels")
    links = [r for r in results if r["type"] == "relation"]
    names = [len(set(r.get("labels") or ["Relation"])) for r in links]
    sides = [2 if r.get("direction") == "bi" else 1 for r in links]
    count = sum(name * side for name, side in zip(names, sides))
    known = relations + log.total(*_LINKS, *_LINKS_OF_TOOLS, "relations from one text to another")
    # Labels multiply relations; one in both directions may be left out as one.
    if not several and (not log.total("relations of mentions that were left") or 2 not in sides):
        yield "relations", count, known


def _prodigy(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    records = [json.loads(line) for line in _lines(path)]
    used = [record for record in records if record.get("answer", "accept") == "accept"]
    yield "examples", len(records), len(used) + log.total("examples with the answer")
    spans = sum(len(record.get("spans") or ()) for record in used)
    links = sum(len(record.get("relations") or ()) for record in used)
    yield from _documents(
        [record["text"] for record in used],
        spans - log.total("spans without a label"),
        links - log.total("relations with an argument that is no labelled span"),
        sentences,
        log,
    )


def _brat(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    lines = _lines(path / "a.ann")
    text = _content(path / "a.txt")
    marks = [line[0] for line in lines]
    apart = log.total("discontinuous mentions")
    others = log.total("relations of events", "relations of mentions that were left out")
    _, entities, relations = _sizes(sentences)
    yield "mentions", marks.count("T"), entities + apart + log.total(*_MERGED)
    yield "relations", marks.count("R"), relations + others + log.total(*_LINKS)
    unused = log.total("events", "attributes", "normalisations", "notes", "equivalences", "scores")
    scored = sum(item.score is not None for s in sentences for item in (*s.entities, *s.relations))
    rest = len(lines) - marks.count("T") - marks.count("R")
    yield "other lines", rest, unused + scored
    # Windows line ends may be counted as one character, and byte order marks as none.
    if not log.total("documents without a word") and "\r" not in text:
        read = "".join(sentence.text or "" for sentence in sentences)
        yield "characters", len(text.replace("\ufeff", "")), len(read.replace("\ufeff", ""))


def _elements(
    path: Path, sentences: Sequence[Sentence], log: LogCounter, mention: str, relation: str
) -> Balance:
    """XML, by the tags in it: what is inside of comments or texts would have to be escaped."""
    content = re.sub(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>", "", _content(path), flags=re.S)
    _, entities, relations = _sizes(sentences)
    apart = log.total("discontinuous mentions, left out", "annotations without a location")
    apart += log.total(f"elements <{mention}>")
    tags = len(re.findall(rf"<{mention}[\s/>]", content))
    yield "mentions", tags, entities + apart + log.total(*_MERGED)
    read = relations + log.total(*_LINKS, *_LINKS_OF_TOOLS, f"elements <{relation}>")
    yield "relations", len(re.findall(rf"<{relation}[\s/>]", content)), read


_LINKS_OF_TOOLS = (
    "relations of mentions that were left out", "relations from one section to another",
    "pairs that do not interact", "pairs whose interaction has no type",
    "relations with another number of arguments", "relations between concepts given more than once",
    "relations of a concept", "relations of documents without a word",
)  # fmt: skip


def _bioc(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    return _elements(path, sentences, log, "annotation", "relation")


def _ddi(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    return _elements(path, sentences, log, "entity", "pair")


def _tac_adr(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    return _elements(path, sentences, log, "Mention", "Relation")


def _pubtator(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    # A title or an abstract is text, also where the end of its line is lost.
    lines = (line for line in _lines(path) if not re.match(r"[^|\t]+\|[ta]\|", line))
    rows = [line.split("\t") for line in lines if "\t" in line]
    mentions = sum(row[1].isdigit() for row in rows)
    _, entities, relations = _sizes(sentences)
    yield "mentions", mentions, entities + log.total(*_MERGED)
    yield "relations", len(rows) - mentions, relations + log.total(*_LINKS, *_LINKS_OF_TOOLS)


def _parquet(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    table = read_table(io.BytesIO(_bytes(path)), columns=["tokens"])
    yield "rows", table.num_rows, len(sentences)
    yield "tokens", sum(map(len, table["tokens"].to_pylist())), _sizes(sentences)[0]


def _uima_cas(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    cas = json.loads(_content(path))
    members = {number for view in cas["%VIEWS"].values() for number in view["%MEMBERS"]}
    structures = [s for s in cas["%FEATURE_STRUCTURES"] if s["%ID"] in members]
    types = cas["%TYPES"]
    kinds = [s["%TYPE"] for s in structures if not s["%TYPE"].startswith("de.tudarmstadt.")]
    ends = {name for name, kind in types.items() if {"Governor", "Dependent"} <= kind.keys()}
    links = sum(kind in ends for kind in kinds)
    _, entities, relations = _sizes(sentences)
    left_out = log.total("annotations without a text", "views without a text", "annotations of the")
    known = relations + log.total(*_LINKS, *_LINKS_OF_TOOLS)
    if not log.total("views without a text") and len(cas["%VIEWS"]) == 1:
        held = sum(kind not in ends and not kind.startswith("uima.") for kind in kinds)
        unused = log.total("annotations of the layer") and left_out
        if not unused:
            yield "mentions", held, entities + log.total(*_MERGED, "annotations without a text")
        yield "relations", links, known + log.total("relations of what is no mention")


def _webanno(path: Path, sentences: Sequence[Sentence], log: LogCounter) -> Balance:
    lines = [line.split("\t") for line in _lines(path) if not line.startswith("#")]
    layers = [line for line in _lines(path) if line.startswith("#T_")]
    tokens = [row for row in lines if "." not in row[0]]
    texts = [line for line in _lines(path) if line.startswith("#Text=")]
    if not log.total("documents without a word"):
        letters = sum(
            len("".join(sentence.text.split())) for sentence in sentences if sentence.text
        )
        held = sum(len("".join(text[6:].split())) for text in texts)
        yield "letters", held - "".join(texts).count("\\"), letters
        yield "letters of tokens", sum(len(row[2]) for row in tokens), letters
    width = 3
    mentions: set[Any] = set()
    relations = 0
    for layer in layers:
        kind, *features = layer[3:].split("|")
        for row in lines:
            cells = row[width : width + max(len(features), 1)]
            if set(cells) == {"_"}:
                continue
            if kind.startswith("RL"):
                relations += cells[-1].count("|") + 1
            elif not kind.startswith(("CH", "SP=de.tudarmstadt.ukp.")):
                for number, items in enumerate(zip(*(cell.split("|") for cell in cells))):
                    spans = (re.search(r"\[([0-9]{1,9})\]$", item) for item in items)
                    named = next((int(span[1]) for span in spans if span and int(span[1])), None)
                    mentions.add((kind, named) if named else (kind, row[0], number))
        width += max(len(features), 1)
    _, entities, links = _sizes(sentences)
    built_in = sum("=de.tudarmstadt.ukp.dkpro.core.api.lexmorph" in layer for layer in layers)
    if "\\" not in _content(path) and built_in == _content(path).count("=de.tudarmstadt.ukp."):
        found = entities + log.total(*_MERGED, "annotations without a text")
        yield "mentions", len(mentions), found
        known = links + log.total(*_LINKS, *_LINKS_OF_TOOLS, "relations of the layer")
        yield "relations", relations, known


BALANCES: dict[str, Callable[[Path, Sequence[Sentence], LogCounter], Balance]] = {
    "ade_neg": _ade_neg,
    "ade_rel": _ade_rel,
    "bioc": _bioc,
    "brat": _brat,
    "casrel": _casrel,
    "conll": _conll,
    "conll04_corp": _conll04_corp,
    "ddi": _ddi,
    "doccano": _doccano,
    "docred": _docred,
    "dygie": _dygie,
    "gliner": _gliner,
    "jsonl": _jsonl,
    "label_studio": _label_studio,
    "multihead": _multihead,
    "parquet": _parquet,
    "prodigy": _prodigy,
    "pubtator": _pubtator,
    "spert": _spert,
    "tac_adr": _tac_adr,
    "uima_cas": _uima_cas,
    "webanno": _webanno,
}


def missing(format: str, path: Path, sentences: Sequence[Sentence], log: LogCounter) -> list[str]:
    """Describes each difference between the file and the sentences read from it."""
    return [
        f"{what}: {there} in the file, {read} read or logged"
        for what, there, read in BALANCES[format](path, sentences, log)
        if there != read
    ]
