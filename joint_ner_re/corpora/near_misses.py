"""What a file is that fits no format: which formats it nearly fits, and what to export instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from joint_ner_re.corpora import doccano, dygie, jsonl, label_studio, prodigy
from joint_ner_re.corpora.json_values import first_element, first_object
from joint_ner_re.messages import quote

# Formats with an object in each line.
_IN_LINES: dict[str, Callable[[Sequence[str]], bool]] = {
    "doccano": doccano.looks_like,
    "dygie": dygie.looks_like,
    "prodigy": prodigy.looks_like,
    "jsonl": jsonl.looks_like,
}
# Their keys, by which an object is near to them; the first ones are needed.
_KEYS: dict[str, tuple[str, ...]] = {
    "bioc": ("passages", "documents"),
    "casrel": ("triple_list", "text"),
    "doccano": ("text", "entities", "relations", "label"),
    "docred": ("vertexSet", "sents", "labels", "title"),
    "dygie": ("sentences", "ner", "relations", "clusters", "doc_key"),
    "gliner": ("tokenized_text", "ner", "relations"),
    "jsonl": ("tokens", "entities", "relations", "text", "offsets", "id"),
    "label_studio": ("data", "annotations", "predictions"),
    "prodigy": ("text", "spans", "relations", "answer", "tokens"),
    "uima_cas": ("%TYPES", "%FEATURE_STRUCTURES", "%VIEWS"),
}
_ROOT = re.compile(r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<([\w:.-]+)", re.S)
_HTML = re.compile(r"\s*(<!doctype html|<html)", re.I)
_SEPARATORS = ("\t", ",", ";", "|")
_JQ_LIST = "jq -c '.[]' FILE > NEW.jsonl"
_JQ_OBJECT = "jq -c . FILE > NEW.jsonl"


def refusal(first_lines: Sequence[str], found: Sequence[str]) -> str | None:
    """Why a file is not read although it fits formats, with the way out.

    # Parameters

    first_lines : `Sequence[str]`
        The first lines of the file.
    found : `Sequence[str]`
        The formats that they fit.
    """
    advice = label_studio.looks_like_another_export(first_lines)
    # Its last column may look like a tag of CoNLL's.
    advice = advice or _webanno_2(first_lines)
    if advice is not None:
        return advice
    if first_lines[0].strip() == "{" and set(found) & {*_IN_LINES, "label_studio", "gliner"}:
        return (
            f"an object of {' or '.join(found)} that goes over several lines; expected one object "
            f"in each line: export JSONL, or {_JQ_OBJECT}"
        )
    return None


def near_miss(first_lines: Sequence[str]) -> str | None:
    """What the file probably is, and what to do; `None` if nobody knows.

    # Parameters

    first_lines : `Sequence[str]`
        The first lines of a file that fits no format.
    """
    for look in (_web_page, _xml, _json, _sentences_with_marks, _drugprot, _table):
        advice = look(first_lines)
        if advice is not None:
            return advice
    return None


def of_archive(names: Sequence[str]) -> str:
    """What a zip archive is that holds no document of INCEpTION, and what to do.

    # Parameters

    names : `Sequence[str]`
        The names of the files in it.
    """
    if any(name.startswith("word/") for name in names):
        return "the file is a Word document; expected a corpus: export the annotations as such"
    if any(name.startswith("xl/") for name in names):
        return "the file is an Excel workbook; expected a corpus: tables are read as Parquet only"
    ann = " (give brat's files as a directory)" if any(n.endswith(".ann") for n in names) else ""
    found = ", ".join(quote(name, 40) for name in names[:3]) or "nothing"
    return (
        f"the file is a zip archive without a document of INCEpTION; it holds {found}; unpack it "
        f"first: unzip FILE{ann}"
    )


def _web_page(lines: Sequence[str]) -> str | None:
    if _HTML.match("\n".join(lines[:5])):
        return (
            "this is a web page, perhaps one that asks to log in, or that shows the file; download "
            "the file itself"
        )
    return None


def _xml(lines: Sequence[str]) -> str | None:
    match = _ROOT.match("\n".join(lines))
    if match is None:
        return None
    if match.group(1).endswith("typeSystemDescription"):
        return "this is the type system of a CAS (uima_cas); give the .xmi file beside it"
    return (
        f"this is XML with the outermost element <{quote(match.group(1), 40)[1:-1]}>; known are "
        "bioc (<collection>), ddi (<document>), tac_adr (<Label>) and uima_cas (<xmi:XMI>)"
    )


def _webanno_2(lines: Sequence[str]) -> str | None:
    if re.match(r"\s*#\s?id=", lines[0]) and any(
        line.lstrip().startswith("#text=") for line in lines[1:3]
    ):
        return (
            "this is WebAnno TSV 2, an old version of the format webanno; export WebAnno TSV v3.3 "
            "or UIMA CAS JSON"
        )
    return None


def _json(lines: Sequence[str]) -> str | None:
    element = first_element(lines)
    record = first_object(lines) if element is None else element
    if not record:
        return None
    if element is not None:
        line = [json.dumps(element, ensure_ascii=False)]
        fitting = [name for name, looks_like in _IN_LINES.items() if looks_like(line)]
        if fitting:
            return (
                f"this is a JSON list of objects of {' or '.join(fitting)}, which has one object "
                f"in each line: export JSONL, or {_JQ_LIST}"
            )
    if {"input", "output"} <= record.keys():
        return "this may be GLiNER2's data, which has no positions; the format gliner has some"
    return _nearest(record)


def _nearest(record: dict[str, Any]) -> str | None:
    """The formats that have most of the object's keys."""
    shared = {name: record.keys() & set(keys) for name, keys in _KEYS.items()}
    most = max(map(len, shared.values()))
    if most == 0:
        return None
    near = [name for name, keys in shared.items() if len(keys) == most]
    has = "; ".join(f"{name} has {', '.join(_KEYS[name])}" for name in near[:3])
    found = ", ".join(quote(key, 30)[1:-1] for key in list(record)[:8])
    return f"this is JSON with the keys {found}; nearest are {has}"


def _sentences_with_marks(lines: Sequence[str]) -> str | None:
    if re.match(r'\d+\t"?.*<e1>.*</e1>.*<e2>', lines[0]):
        return (
            "this is SemEval-2010 task 8, whose entities have no types; write it as JSON lines "
            "(jsonl) with types of your own"
        )
    return None


def _drugprot(lines: Sequence[str]) -> str | None:
    if re.match(r"\d+\t(T\d+\t\S+\t\d+\t\d+\t|\S+\tArg1:T\d+\tArg2:T\d+)", lines[0]):
        return (
            "this is a table of ChemProt or DrugProt, whose texts are in another file; write each "
            "document as brat's .txt and .ann files"
        )
    return None


def _table(lines: Sequence[str]) -> str | None:
    rows = [line for line in lines[:20] if line.strip()]
    for separator in _SEPARATORS:
        counts = {row.count(separator) for row in rows}
        if len(rows) > 1 and len(counts) == 1 and counts != {0}:
            mark = "tabs" if separator == "\t" else quote(separator)
            return (
                f"this is a table with {counts.pop() + 1} columns separated by {mark}; no format "
                "of relations is such a table: export JSON or JSONL (doccano, label_studio, "
                "prodigy), or write JSON lines (jsonl) or Parquet"
            )
    return None
