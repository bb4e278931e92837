"""Where sentences end, by each of the rules, measured on annotated corpora.

    python benchmarks/sentences.py [--format FORMAT] CORPUS
    python benchmarks/sentences.py --ade DRUG-AE.rel ADE-NEG.txt

prints a table with a line for each of the rules, and for pysbd if it can be imported:

    pip install --target build/pysbd pysbd
    PYTHONPATH=build/pysbd python benchmarks/sentences.py CORPUS

A corpus of documents is read with each of the rules; what reading counts is shown. ADE gives the
sentences of its abstracts one by one, in no order: those of an abstract are joined by blanks, and
the ends that the rules find are compared with the joints.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from joint_ner_re.corpora import detect_format, read_corpus
from joint_ner_re.corpora.changes import CROSSING, JOINED, collected_changes
from joint_ner_re.sentence import Sentence
from joint_ner_re.sentence_rules import SENTENCE_RULES
from joint_ner_re.tokenization import TextTokenizer

Span = tuple[int, int]
Split = list[list[Span]]
Splitter = Callable[[Iterable[str]], Iterator[Split]]

COLUMNS = ("rules", "sentences", "begin in lower case")
OF_DOCUMENTS = (*COLUMNS, "ends inside mentions", "relations across sentences", "seconds")
OF_ADE = (
    *COLUMNS, "ends inside mentions", "relations across sentences", "wrong ends", "missed ends",
    "seconds",
)  # fmt: skip


class Counted:
    """A tokenizer for `read_corpus` that counts the sentences that its rules find."""

    def __init__(self, split: Splitter) -> None:
        self._split = split
        self.sentences = 0
        self.in_lower_case = 0
        self.seconds = 0.0

    def split(self, texts: Iterable[str]) -> Iterator[Split]:
        """As `TextTokenizer.split` does."""
        texts = list(texts)
        begin = time.process_time()
        splits = list(self._split(texts))
        self.seconds += time.process_time() - begin
        for text, sentences in zip(texts, splits):
            for sentence in sentences:
                self.sentences += 1
                letters = (c for c in text[sentence[0][0] : sentence[-1][1]] if c.isalnum())
                self.in_lower_case += next(letters, "A").islower()
            yield sentences


def splitters() -> dict[str, Splitter]:
    """By their names: the rules of the package, and pysbd if it is installed."""
    found: dict[str, Splitter] = {
        rules: TextTokenizer(sentence_rules=rules).split for rules in SENTENCE_RULES
    }
    try:
        import pysbd
    except ModuleNotFoundError:
        return found
    segmenter = pysbd.Segmenter(language="en", clean=False, char_span=True)
    tokenizer = TextTokenizer()

    def by_pysbd(texts: Iterable[str]) -> Iterator[Split]:
        texts = list(texts)
        for text, tokens in zip(texts, tokenizer.tokenize(texts)):
            begins = [begin for begin, _ in tokens]
            places = {bisect_left(begins, span.start) for span in segmenter.segment(text)}
            starts = sorted({0, *places} - {len(tokens)}) if tokens else []
            yield [tokens[a:b] for a, b in zip(starts, [*starts[1:], len(tokens)])]

    return {**found, f"pysbd {getattr(pysbd, '__version__', '')}".strip(): by_pysbd}


def of_documents(path: str, format: str) -> Iterator[Sequence[str]]:
    """A row for each of the rules."""
    for name, split in splitters().items():
        tokenizer = Counted(split)
        with collected_changes() as changes:
            read = read_corpus(
                path, format, tokenizer=tokenizer, unit="sentence", on_error=lambda error: None
            )
            relations = sum(len(sentence.relations) for sentence in read)
        crossing = changes[CROSSING]
        yield (
            name, f"{tokenizer.sentences:,}", f"{tokenizer.in_lower_case:,}",
            f"{changes[JOINED]:,}", f"{crossing:,} of {crossing + relations:,}",
            f"{tokenizer.seconds:.1f}",
        )  # fmt: skip


class Abstract(NamedTuple):
    """The sentences of an abstract, joined: its text, where they begin, mentions and relations."""

    text: str
    begins: list[int]
    mentions: list[Span]
    relations: list[tuple[Span, Span]]


def abstracts(positive: str, negative: str) -> list[Abstract]:
    """ADE's abstracts."""
    sentences: dict[str, list[Sentence]] = {}
    for path in (positive, negative):
        with open(path, encoding="utf-8") as file:
            numbers = {}
            for line in file:
                number, _, rest = line.rstrip("\n").partition("|" if path == positive else " ")
                text = rest.split("|")[0] if path == positive else rest.partition(" ")[2]
                numbers.setdefault(text.strip(), number)
        for sentence in read_corpus(path):
            text = (sentence.text or "").strip()
            sentences.setdefault(numbers[text], []).append(sentence)
    return [_joined(found) for found in sentences.values()]


def _joined(sentences: Iterable[Sentence]) -> Abstract:
    text, begins = "", []
    mentions: list[Span] = []
    relations: list[tuple[Span, Span]] = []
    for sentence in sentences:
        assert sentence.text is not None and sentence.offsets is not None
        base = len(text)
        begins.append(base)
        spans = [
            (base + sentence.offsets[e.start][0], base + sentence.offsets[e.end - 1][1])
            for e in sentence.entities
        ]
        mentions += spans
        relations += [(spans[r.head], spans[r.tail]) for r in sentence.relations]
        text += sentence.text.strip() + " "
    return Abstract(text, begins, mentions, relations)


def of_ade(positive: str, negative: str) -> Iterator[Sequence[str]]:
    """A row for each of the rules."""
    documents = abstracts(positive, negative)
    gold = sum(len(document.begins) - 1 for document in documents)
    for name, split in splitters().items():
        tokenizer = Counted(split)
        inside = across = right = wrong = 0
        for document, found in zip(documents, tokenizer.split([d.text for d in documents])):
            starts = [sentence[0][0] for sentence in found[1:]]
            true = set(document.begins[1:])
            right += len(true & set(starts))
            wrong += len(set(starts) - true)
            inside += sum(
                bisect_right(starts, begin) < bisect_left(starts, end)
                for begin, end in document.mentions
            )
            across += sum(
                bisect_right(starts, head[0]) != bisect_right(starts, tail[0])
                for head, tail in document.relations
            )
        total = sum(len(document.relations) for document in documents)
        yield (
            name, f"{tokenizer.sentences:,}", f"{tokenizer.in_lower_case:,}", f"{inside:,}",
            f"{across:,} of {total:,}", f"{wrong:,}", f"{gold - right:,} of {gold:,}",
            f"{tokenizer.seconds:.1f}",
        )  # fmt: skip


def main() -> None:
    """Print the table of the corpus that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", nargs="+", help="a corpus; with --ade DRUG-AE.rel, ADE-NEG.txt")
    parser.add_argument("--format", help="default: detected")
    parser.add_argument("--ade", action="store_true", help="ADE's two files")
    args = parser.parse_args()
    if len(args.corpus) != 1 + args.ade:
        parser.error("expected one corpus, or two files after --ade")
    if args.ade:
        columns, rows = OF_ADE, of_ade(*args.corpus)
    else:
        (path,) = args.corpus
        columns, rows = OF_DOCUMENTS, of_documents(path, args.format or detect_format(path))
    print("|", " | ".join(columns), "|")
    print("|", " | ".join("---" for _ in columns), "|")
    for row in rows:
        print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
