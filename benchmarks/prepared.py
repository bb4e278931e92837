"""What all rows of the benchmark share: the shipped model, its sentences, batches and steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from allennlp.common import Params
from allennlp.common.util import prepare_environment
from allennlp.data import Batch, DatasetReader, Instance, Vocabulary
from allennlp.models import Model
from allennlp.nn.util import move_to_device
from allennlp.training.optimizers import Optimizer
from measure import Workload
from tqdm import tqdm

import joint_ner_re.plugin  # noqa: F401  (registers the project's classes)
from joint_ner_re.corpora import read_corpus
from joint_ner_re.models import JointModel
from joint_ner_re.modules import CrfEntityFinder
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import TagCodec, flatten

ROOT = Path(__file__).resolve().parents[1]
LAYERS = {"shared": 1, "ner": 1, "relation": 2}
CONFIGS = ROOT / "training_config"
EMBEDDER = "contextual"

TRAINING = "training"
EXTRACTION = "extraction"
INDEXED = "extraction with indexing"

KEPT = "kept vectors"
LIVE = "live encoder"
TUNED = "fine-tuned encoder"


@dataclass(frozen=True)
class Setup:
    """What all rows of a run have in common.

    # Parameters

    data : `str`
        The corpus, in any format that `joint_ner_re.corpora.read_corpus` reads.
    folder : `str`
        Where the trained weights lie while the run lasts.
    device : `str`, optional (default = `"cpu"`)
        `"cpu"` or `"cuda"`.
    threads : `int`, optional (default = `1`)
        Threads of each process.
    sentences : `int`, optional (default = `64`)
        So many sentences of the corpus are one repetition of training, and four times as many of
        extraction, or two batches if that is more.
    learned : `int`, optional (default = `2000`)
        At most so many sentences the short training sees.
    epochs : `int`, optional (default = `2`)
        How long the short training is.
    hidden_size : `int`, optional (default = `None`)
        Width of the BiRNNs, if not the configuration's.
    """

    data: str
    folder: str
    device: str = "cpu"
    threads: int = 1
    sentences: int = 64
    learned: int = 2000
    epochs: int = 2
    hidden_size: int | None = None


@dataclass(frozen=True)
class Setting:
    """What a comparison is about: the task, the BiRNNs' cell, the encoder's use, the batch size."""

    task: str
    cell: str
    vectors: str
    batch_size: int


@dataclass
class Made:
    """The shipped model with what belongs to it. `optimizer` is the configuration's part."""

    model: JointModel
    reader: DatasetReader
    sentences: list[Sentence]
    optimizer: Params = field(repr=False)


# The shipped model


def configuration(setup: Setup, cell: str, vectors: str) -> Params:
    """The shipped configuration for CoNLL04 on MiniLM, with this cell and use of the encoder, and
    with layers in all places, so that each is measured."""
    name = "conll04_minilm_finetuned" if vectors == TUNED else "conll04_minilm"
    # The corpus is given to the benchmark, not found by the configuration.
    params = Params.from_file(str(CONFIGS / f"{name}.jsonnet"), ext_vars={"JOINT_NER_RE_DATA": ""})
    model = params["model"]
    embedders = model["text_field_embedder"]["token_embedders"]
    embedders["token_characters"]["cell"] = cell
    if vectors == LIVE:
        embedders[EMBEDDER]["cache_megabytes"] = 0
    for place, layers in model["encoder"].params.items():
        layers["num_layers"] = LAYERS[place]
        layers["cell"] = cell
        if setup.hidden_size is not None:
            layers["hidden_size"] = setup.hidden_size
    return params


def train_once(setup: Setup, cell: str) -> Workload:
    """Trains the shipped model for a short time and leaves vocabulary and weights in the folder.

    Weights of an untrained model would find entities at random, as many as there are tokens.
    """
    return Workload(lambda: _train(setup, cell), {})


def _train(setup: Setup, cell: str) -> None:
    torch.set_num_threads(setup.threads)
    folder = Path(setup.folder, cell)
    params = configuration(setup, cell, KEPT)
    prepare_environment(params)
    reader = DatasetReader.from_params(params["dataset_reader"])
    sentences = read_sentences(setup.data)
    # Of all sentences, however few are learned: all are measured.
    vocabulary = Vocabulary.from_instances([labelled(reader, s) for s in sentences])
    model = Model.from_params(vocab=vocabulary, params=params["model"]).to(setup.device)
    batches = make_batches(
        reader, model, in_order_of_length(sentences[: setup.learned]), 16, setup.device
    )
    step = TrainingStep(model, params["trainer"]["optimizer"])
    model.train()
    order = random.Random(0)
    for epoch in range(setup.epochs):
        order.shuffle(batches)
        progress = tqdm(batches, desc=f"short training ({cell}), epoch {epoch + 1}", leave=False)
        for batch in progress:
            step(without_tags(batch))
    folder.mkdir(parents=True)
    vocabulary.save_to_files(str(folder / "vocabulary"))
    torch.save(model.state_dict(), folder / "weights.th")


def load(setup: Setup, setting: Setting, bfloat16: bool = False) -> Made:
    """The shipped model with the weights of the short training, and the run's sentences."""
    torch.set_num_threads(setup.threads)
    params = configuration(setup, setting.cell, setting.vectors)
    params["model"]["bfloat16"] = bfloat16
    prepare_environment(params)
    folder = Path(setup.folder, setting.cell)
    vocabulary = Vocabulary.from_files(str(folder / "vocabulary"))
    model = Model.from_params(vocab=vocabulary, params=params["model"])
    model.load_state_dict(torch.load(folder / "weights.th", map_location="cpu"))
    return Made(
        model.to(setup.device),
        DatasetReader.from_params(params["dataset_reader"]),
        chosen_sentences(setup, setting),
        params["trainer"]["optimizer"],
    )


# Sentences and batches


def read_sentences(path: str) -> list[Sentence]:
    """The corpus's sentences that have tokens."""
    return [sentence for sentence in read_corpus(path) if sentence.tokens]


def in_order_of_length(sentences: Sequence[Sentence]) -> list[Sentence]:
    """As the shipped batch sampler and the predictor order them, so that padding costs little."""
    return sorted(sentences, key=lambda sentence: len(sentence.tokens))


def chosen_sentences(setup: Setup, setting: Setting, least: int = 1) -> list[Sentence]:
    """The sentences of a repetition, in whole batches, as they come in a pass over the
    corpus: each of sentences of similar length, and the batches at even steps among all.

    They are as many as the setup says, but two batches at least. A small corpus repeats its
    sentences; only those of `least` tokens or more are taken.
    """
    every = [s for s in read_sentences(setup.data) if len(s.tokens) >= least]
    if not every:
        raise ValueError(f"{setup.data}: no sentence has {least} tokens; expected some")
    size = setting.batch_size
    sentences = setup.sentences * (1 if setting.task == TRAINING else 4)
    count = max(2, sentences // size)
    times = -(-count * size // len(every))
    batches = cut(in_order_of_length(every * times), size)
    # The last one may not be full.
    full = batches[: len(every) * times // size]
    chosen = [full[(2 * place + 1) * len(full) // (2 * count)] for place in range(count)]
    return [sentence for batch in chosen for sentence in batch]


def cut(items: Sequence[Any], size: int) -> list[list[Any]]:
    """The items in batches."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def labelled(reader: DatasetReader, sentence: Sentence, labels: bool = True) -> Instance:
    """The sentence's instance, ready to be indexed."""
    instance = reader.text_to_instance(sentence, labelled=labels)  # type: ignore[call-arg]
    reader.apply_token_indexers(instance)
    return instance


def make_batches(
    reader: DatasetReader,
    model: JointModel,
    sentences: Sequence[Sentence],
    size: int,
    device: str,
    labels: bool = True,
) -> list[dict[str, Any]]:
    """The batches' tensors, on the device; with labels the gold tags, too, under `tags`."""
    made = []
    for part in cut(sentences, size):
        batch = Batch([labelled(reader, sentence, labels) for sentence in part])
        batch.index_instances(model.vocab)
        tensors = dict(batch.as_tensor_dict())
        if labels:
            tensors["tags"] = gold_tags(codec_of(model), part)
        made.append(move_to_device(tensors, torch.device(device)))
    return made


def codec_of(model: JointModel) -> TagCodec:
    """The tags of the model's CRF."""
    assert isinstance(model.entity_finder, CrfEntityFinder), model.entity_finder
    return model.entity_finder.codec


def gold_tags(codec: TagCodec, sentences: Sequence[Sentence]) -> torch.Tensor:
    """The tags' numbers, 0 at padding. Shape: (batch, length)."""
    length = max(len(sentence.tokens) for sentence in sentences)
    numbers = {tag: number for number, tag in enumerate(codec.tags)}
    rows = []
    for sentence in sentences:
        entities = [sentence.entities[index] for index in flatten(sentence.entities)]
        rows.append([numbers[tag] for tag in codec.encode(entities, length)])
    return torch.tensor(rows)


def without_tags(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch as the shipped model takes it."""
    return {name: value for name, value in batch.items() if name != "tags"}


# A training step


class TrainingStep:
    """Forward, backward, clipping and the optimizer's step, as AllenNLP's trainer does them.

    # Parameters

    model : `Model`
    optimizer : `Params`
        The configuration's part, from which the optimizer is made.
    """

    def __init__(self, model: Model, optimizer: Params) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._model = model
        self._learned = [parameter for _, parameter in named]
        self.optimizer: Any = Optimizer.from_params(
            model_parameters=named, params=optimizer.duplicate()
        )

    def __call__(self, batch: dict[str, Any]) -> float:
        """The batch's loss, before the step."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._model(**batch)["loss"]
        self.backward(loss)
        self.clip()
        self.optimizer.step()
        # As the trainer does for its progress bar.
        return loss.item()

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def clip(self) -> None:
        torch.nn.utils.clip_grad_norm_(self._learned, 1.0)


def synchronize() -> None:
    """Waits for the GPU, if one is used."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def facts_of(sentences: Sequence[Sentence]) -> dict[str, Any]:
    """How much a repetition holds."""
    return {
        "sentences": len(sentences),
        "tokens": sum(len(sentence.tokens) for sentence in sentences),
    }
