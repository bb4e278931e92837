"""How fast `nlp.pipe` is, measured against the batches of `allennlp predict`.

    python benchmarks/spacy_pipe.py model.tar.gz corpus.json

takes the corpus's sentences as texts and prints a table: documents a second through the predictor
and through spaCy, the median of several rounds in turn. Both make their own tokens.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import spacy

from joint_ner_re.corpora import read_corpus
from joint_ner_re.predictors.loading import load_predictor

ROUNDS = 5
BATCH = 256


def main(archive: str, corpus: str) -> None:
    sentences = [sentence.with_text().text for sentence in read_corpus(corpus)]
    # Documents of four sentences.
    texts = [" ".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
    predictor = load_predictor(archive)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": archive})

    def predict() -> None:
        for start in range(0, len(texts), BATCH):
            batch = [{"text": text} for text in texts[start : start + BATCH]]
            predictor.predict_batch_json(batch)

    def pipe() -> None:
        for _ in nlp.pipe(texts, batch_size=BATCH):
            pass

    ways = {"allennlp predict": predict, "nlp.pipe": pipe}
    seconds = {name: [] for name in ways}
    for way in ways.values():
        timed(way)  # The first time loads and allocates.
    for _ in range(ROUNDS):
        for name, way in ways.items():
            seconds[name].append(timed(way))
    print(f"{len(texts)} documents, {len(sentences)} sentences; median of {ROUNDS} rounds")
    print("| way | documents a second | slowest to fastest round |")
    print("| --- | --- | --- |")
    for name, times in seconds.items():
        rates = [len(texts) / value for value in times]
        print(f"| {name} | {statistics.median(rates):.1f} | {min(rates):.1f} to {max(rates):.1f} |")
    ratio = statistics.median(seconds["allennlp predict"]) / statistics.median(seconds["nlp.pipe"])
    print(f"nlp.pipe has {ratio:.2f} times the speed of allennlp predict")


def timed(way: Callable[[], None]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


if __name__ == "__main__":
    arguments: list[str] = sys.argv[1:]
    main(*arguments)
