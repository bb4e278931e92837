"""Compares the answers of exported models with those of the archives that they were made of.

    python benchmarks/same_answers.py MODEL EXPORTED FILE

FILE is anything that the archive's reader reads, such as `conll04_dev.json` or `DRUG-AE.rel#test`.
Prints how many sentences have the same entities and relations, the largest difference of a score,
every sentence that differs, and the strict scores of both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from joint_ner_re.metrics import score
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.runtime.predictor import load_exported
from joint_ner_re.sentence import Sentence

MAX_SHOWN = 10
SCORES = ("entity_f1", "relation_f1")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive")
    parser.add_argument("exported")
    parser.add_argument("corpus")
    args = parser.parse_args()
    archive, exported = load_predictor(args.archive), load_exported(args.exported)
    instances = archive._dataset_reader.read(args.corpus)
    gold = [instance["metadata"].metadata["sentence"] for instance in instances]
    found, seconds = {}, {}
    for name, predictor in (("archive", archive), ("exported", exported)):
        begin = time.process_time()
        found[name] = predictor.predict_sentences(gold)
        seconds[name] = time.process_time() - begin
    print(json.dumps(comparison(gold, found["archive"], found["exported"], seconds), indent=2))


def comparison(
    gold: Sequence[Sentence],
    expected: Sequence[Sentence],
    found: Sequence[Sentence],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """What `main` prints."""
    different = [
        {"tokens": " ".join(one.tokens), "archive": _keys(one), "exported": _keys(other)}
        for one, other in zip(expected, found)
        if _keys(one) != _keys(other)
    ]
    differences = [
        abs(a.score - b.score)
        for one, other in zip(expected, found)
        if _keys(one) == _keys(other)
        for a, b in zip((*one.entities, *one.relations), (*other.entities, *other.relations))
    ]
    scores = {"archive": score(gold, expected), "exported": score(gold, found)}
    return {
        "sentences": len(gold),
        "same entities and relations": len(gold) - len(different),
        "annotations compared": len(differences),
        "largest difference of a score": max(differences, default=0.0),
        "differences": different[:MAX_SHOWN],
        "scores": {
            name: {key: round(100 * float(values[key]), 2) for key in SCORES}
            for name, values in scores.items()
        },
        "CPU seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def _keys(sentence: Sentence) -> list[Any]:
    entities = [list(entity.key) for entity in sentence.entities]
    return [entities, [[r.type, r.head, r.tail] for r in sentence.relations]]


if __name__ == "__main__":
    main()
