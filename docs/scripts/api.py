"""The pages of the Python API, made from docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from docstrings import Docstring, Entry, parse, with_fences

# The public names of each module; all of the module's `__all__` where there are none.
MODULES: dict[str, list[str]] = {
    "joint_ner_re.sentence": ["Sentence", "Entity", "Relation", "SentenceError"],
    "joint_ner_re.corpora": [
        "read_corpus",
        "write_corpus",
        "detect_format",
        "format_options",
        "CorpusFormatError",
    ],
    "joint_ner_re.corpora.folds": ["read_folds", "k_folds", "split_dev"],
    "joint_ner_re.corpora.partitions": ["Partition", "PartitionError", "split_part"],
    "joint_ner_re.metrics": ["score", "JointScore"],
    "joint_ner_re.tokenization": ["TextTokenizer"],
    "joint_ner_re.tag_codec": ["TagCodec", "tag_levels", "flatten", "split_tag"],
    "joint_ner_re.extractor": [
        "load",
        "Extractor",
        "ExtractedDocument",
        "FoundEntity",
        "FoundRelation",
    ],
    "joint_ner_re.predictors": ["JointPredictor"],
    "joint_ner_re.spacy_component": [
        "JointComponent",
        "resolve_relations",
        "doc_to_sentence",
        "set_annotations",
        "register_extensions",
        "ResolvedRelation",
    ],
}
EXAMPLES = {
    "joint_ner_re.corpora": "[Formats](../corpora.md) shows what the files look like.",
    "joint_ner_re.corpora.folds": "[Formats](../corpora.md#splits) has more on splits.",
    "joint_ner_re.metrics": "[Evaluation protocol](../evaluation.md) has the rules.",
    "joint_ner_re.extractor": "[Find entities and relations in documents](../predict.md) uses it.",
    "joint_ner_re.predictors": "[Find entities and relations in documents](../predict.md) uses it.",
    "joint_ner_re.spacy_component": "[In a spaCy pipeline](../spacy.md) uses it.",
}


def file_name(module: str) -> str:
    """`api/corpora.folds.md` for `joint_ner_re.corpora.folds`."""
    return f"api/{module.split('.', 1)[1]}.md"


def api_page(module_name: str) -> str:
    """The page's Markdown."""
    module = importlib.import_module(module_name)
    lines = [f"# {module_name}", "", with_fences(inspect.cleandoc(module.__doc__ or "")), ""]
    if module_name in EXAMPLES:
        lines += [EXAMPLES[module_name], ""]
    for name in MODULES[module_name]:
        lines += [*_object(name, getattr(module, name)), ""]
    return _references("\n".join(lines)) + "\n"


def _references(text: str) -> str:
    """Pages of the documentation that docstrings name as files, as links."""
    return re.sub(r"(?<![(\w/])docs/([\w-]+\.md)", r"[\1](../\1)", text)


def _object(name: str, value: Any) -> Iterator[str]:
    described = parse(value)
    yield f"## {name}"
    yield ""
    if inspect.isclass(value):
        if not issubclass(value, Exception):
            yield from _signature(name, value)
        yield from _described(described)
        for member, function, is_property in _members(value):
            yield f"### {name}.{member} {{ #{name.lower()}.{member.lower()} }}"
            yield ""
            yield from ([] if is_property else _signature(member, function))
            yield from _described(parse(function))
    else:
        yield from _signature(name, value)
        yield from _described(described)


def _members(cls: type) -> Iterator[tuple[str, Any, bool]]:
    """Public methods and properties that the class itself documents."""
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        own = inspect.isfunction(function) and function.__module__.startswith("joint_ner_re")
        if own and not name.startswith("_") and function.__doc__:
            yield name, function, isinstance(value, property)


def _signature(name: str, value: Any) -> list[str]:
    signature = inspect.signature(value)
    kept = []
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        annotation = parameter.annotation
        if not isinstance(annotation, str) and annotation is not parameter.empty:
            annotation = inspect.formatannotation(annotation)
        shown = parameter.replace(annotation=parameter.empty)
        text = str(shown)
        if annotation is not parameter.empty:
            kind = _plain(annotation)
            text, equals, default = text.partition("=")
            text = f"{text}: {kind}" + (f" = {default}" if equals else "")
        kept.append(text)
    result = signature.return_annotation
    if inspect.isclass(value) or result is signature.empty:
        arrow = ""
    else:
        arrow = " -> " + _plain(
            result if isinstance(result, str) else inspect.formatannotation(result)
        )
    whole = f"{name}({', '.join(kept)}){arrow}"
    if len(whole) > 90:
        whole = f"{name}(\n" + textwrap.indent(",\n".join(kept), "    ") + f",\n){arrow}"
    return ["```python", whole, "```", ""]


def _plain(annotation: str) -> str:
    """An annotation without modules and quotes."""
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", annotation.replace('"', "").replace("'", ""))


def _described(described: Docstring) -> Iterator[str]:
    yield with_fences(described.text)
    yield ""
    for title, entries in described.sections.items():
        yield f"**{title}**"
        yield ""
        for entry in entries:
            yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    """A term and what it means, as a list of definitions."""
    names = ", ".join(f"`{name}`" for name in entry.names)
    kind = f"`{entry.type}`" if entry.type else ""
    default = f", default `{entry.default}`" if entry.default is not None else ""
    if entry.optional and not default:
        default = ", optional"
    yield " : ".join(part for part in (names, kind) if part) + default
    text = with_fences(entry.text) or "&nbsp;"
    first, *rest = text.splitlines()
    yield f":   {first}"
    yield from (f"    {line}" if line else "" for line in rest)
    yield ""
