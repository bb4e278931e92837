"""What an encoder costs in training: frozen, with vectors computed in every epoch, kept, or free;
and trained, the upper layers or all.

    python benchmarks/frozen_vectors.py training_config/conll04_minilm.jsonnet

prints a table: CPU seconds for an epoch's steps and, of the frozen encoders, the losses and scores
that came of them, which must be the same. "Free" gives the model the vectors of each batch from
memory, put together: what the layers above cost by themselves.
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
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from joint_ner_re.pretrained.embedder import _sentences

EPOCHS = 2
KEPT = {"cache_megabytes": 8192}
TRAINED = {"train_parameters": True}


def main(config: str) -> None:
    rows = [
        ("frozen, computed in every epoch", run(config, {"cache_megabytes": 0})),
        ("frozen, kept in memory", run(config, KEPT)),
        ("frozen, free", run(config, KEPT, free=True)),
        ("trained, the upper two layers", run(config, {**TRAINED, "trained_layers": 2})),
        ("trained, all", run(config, TRAINED)),
    ]
    print("| encoder | " + " | ".join(f"epoch {n + 1}" for n in range(EPOCHS)) + " | loss | F1 |")
    print("| --- |" + " --- |" * (EPOCHS + 2))
    for name, (seconds, result) in rows:
        times = " | ".join(f"{value:.1f} s" for value in seconds)
        print(f"| {name} | {times} | {result} |")


def run(config: str, options: dict[str, Any], free: bool = False) -> tuple[list[float], str]:
    """CPU seconds for each epoch's steps; the last epoch's mean loss and the F1 on dev."""
    params = Params.from_file(config)
    prepare_environment(params)
    embedder = params["model"]["text_field_embedder"]["token_embedders"][EMBEDDER]
    embedder.params.update(options)
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
        start = time.process_time()
        for batch in tqdm(batches, leave=False):
            losses.append(step(batch))
        seconds.append(time.process_time() - start)
    if "train_parameters" in options:
        # The rate of all weights is too high for an encoder, so its scores would say nothing.
        return seconds, " | "
    scores = evaluate(model, loaders[1])
    f1 = " / ".join(f"{100 * scores[f'{task}_f1']:.2f}" for task in ("entity", "relation"))
    return seconds, f"{sum(losses) / len(losses):.6f} | {f1}"


def give_away(model: Model, batches: list[dict[str, Any]]) -> None:
    """Make the encoder's states of these batches free: they wait, put together, in memory."""
    embedder = model.text_field_embedder._token_embedders[EMBEDDER]
    remembered = embedder._remembered
    states: dict[int, tuple[Tensor, list[int]]] = {}
    # A batch comes as the same tensors every time.
    for batch in batches:
        pieces, words = (batch["tokens"][EMBEDDER][name] for name in ("pieces", "words"))
        lengths = words.max(dim=1).values.tolist()
        with torch.no_grad():
            padded = embedder._encode(_sentences(pieces, words))
        rows = [row[:length] for row, length in zip(padded, lengths)]
        states[id(pieces)] = (torch.cat(rows), lengths)

    def give(pieces: Tensor, words: Tensor) -> Tensor:
        if id(pieces) not in states:
            return remembered(pieces, words)
        vectors, lengths = states[id(pieces)]
        return pad_sequence(embedder._mixed(vectors).split(lengths), batch_first=True)

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
