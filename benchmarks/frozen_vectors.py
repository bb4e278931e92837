"""What the vectors of a frozen encoder cost in training: computed in every epoch, kept, or free.

    python benchmarks/frozen_vectors.py training_config/conll04_minilm.jsonnet

prints a table: seconds for an epoch's steps, and the losses and scores that came of them, which
must be the same. "Free" gives the model the finished vectors of each batch: what the layers
above cost by themselves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from allennlp.common import Params
from allennlp.common.util import prepare_environment
from allennlp.data import DataLoader, DatasetReader, Vocabulary
from allennlp.models import Model
from prepared import EMBEDDER, TrainingStep
from torch import Tensor
from tqdm import tqdm

EPOCHS = 2


def main(config: str) -> None:
    rows = [
        ("computed in every epoch", run(config, cache_megabytes=0)),
        ("kept in memory", run(config, cache_megabytes=8192)),
        ("free", run(config, cache_megabytes=8192, free=True)),
    ]
    print("| vectors | " + " | ".join(f"epoch {n + 1}" for n in range(EPOCHS)) + " | loss | F1 |")
    print("| --- |" + " --- |" * (EPOCHS + 2))
    for name, (seconds, loss, scores) in rows:
        times = " | ".join(f"{value:.1f} s" for value in seconds)
        f1 = " / ".join(f"{100 * scores[f'{task}_f1']:.2f}" for task in ("entity", "relation"))
        print(f"| {name} | {times} | {loss:.6f} | {f1} |")


def run(config: str, cache_megabytes: int, free: bool = False) -> tuple[list[float], float, dict]:
    """Seconds for each epoch's steps, the last epoch's mean loss, and the scores on dev."""
    params = Params.from_file(config)
    prepare_environment(params)
    params["model"]["text_field_embedder"]["token_embedders"][EMBEDDER]["cache_megabytes"] = (
        cache_megabytes
    )
    reader = DatasetReader.from_params(params.pop("dataset_reader"))
    loaders = [
        DataLoader.from_params(params.pop(name), reader=reader, data_path=params.pop(path))
        for name, path in (
            ("data_loader", "train_data_path"),
            ("validation_data_loader", "validation_data_path"),
        )
    ]
    vocabulary = Vocabulary.from_params(
        params.pop("vocabulary", Params({})), instances=loaders[0].iter_instances()
    )
    for loader in loaders:
        loader.index_with(vocabulary)
    model = Model.from_params(vocab=vocabulary, params=params.pop("model"))
    step = TrainingStep(model, Params({"type": "adamw", "lr": 1e-3}))
    batches = list(loaders[0])
    if free:
        give_away(model, batches)
    seconds, losses = [], []
    for _ in range(EPOCHS):
        model.train()
        losses = []
        start = time.perf_counter()
        for batch in tqdm(batches, leave=False):
            losses.append(step(batch))
        seconds.append(time.perf_counter() - start)
    return seconds, sum(losses) / len(losses), evaluate(model, loaders[1])


def give_away(model: Model, batches: list[dict[str, Any]]) -> None:
    """Make the encoder's states of these batches free: they wait, put together, in memory."""
    embedder = model.text_field_embedder._token_embedders[EMBEDDER]
    remembered = embedder._remembered
    states: dict[tuple, Tensor] = {}

    def give(sentences: list[Any]) -> Tensor:
        key = tuple(id(sentence) for sentence in sentences)
        return states[key] if key in states else remembered(sentences)

    # A batch comes as the same tensors every time: its sentences are made once, too.
    import joint_ner_re.pretrained.embedder as module

    made: dict[int, Any] = {}
    plain = module._sentences
    module._sentences = lambda pieces, words: made.setdefault(id(pieces), plain(pieces, words))
    for batch in batches:
        pieces = batch["tokens"][EMBEDDER]["pieces"]
        sentences = module._sentences(pieces, batch["tokens"][EMBEDDER]["words"])
        states[tuple(id(sentence) for sentence in sentences)] = remembered(sentences)
    embedder._remembered = give


def evaluate(model: Model, loader: Iterator[dict[str, Any]]) -> dict[str, float]:
    model.eval()
    model.get_metrics(reset=True)
    with torch.no_grad():
        for batch in loader:
            model(**batch)
    return model.get_metrics(reset=True)


if __name__ == "__main__":
    main(sys.argv[1])
