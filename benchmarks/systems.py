"""The systems that are compared, as workloads: the same sentences, vectors, sizes and batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import spacy
import torch
from allennlp.common import Params
from allennlp.data import Batch
from allennlp.models import Model
from allennlp.nn.util import move_to_device
from measure import Workload
from prepared import (
    INDEXED,
    KEPT,
    TRAINING,
    Made,
    Setting,
    Setup,
    TrainingStep,
    chosen_sentences,
    cut,
    facts_of,
    labelled,
    load,
    make_batches,
    read_sentences,
    synchronize,
    without_tags,
)
from spacy.tokens import Doc, Span
from spacy.training import Example
from stock import (
    TAG_NAMESPACE,
    StockModel,
    crf_finder,
    stock_embedder,
    stock_feed_forward,
    stock_layers,
)
from stock import with_tags as vocabulary_with_tags

from joint_ner_re.models import JointModel
from joint_ner_re.modules import CharacterEmbedder
from joint_ner_re.predictors.threads import map_in_threads
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import flatten

SHIPPED = "shipped model"
SHIPPED_LOW = "shipped model, bfloat16"
SHIPPED_ONE = "shipped model, bfloat16, one batch after the other"
STOCK = "stock assembly"
CRF_TAGGER = "CrfTagger (entities only)"
SPACY = "spaCy NER (entities only)"
LIMIT = "limit"
LIMIT_LOW = "limit, bfloat16"


# The systems


def only_tags(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch as CrfTagger takes it."""
    return {name: batch[name] for name in ("tokens", "tags") if name in batch}


def crf_tagger(model: JointModel) -> Model:
    """allennlp-models' CrfTagger with the layers and weights of the shared and the NER layers."""
    from allennlp_models.tagging.models.crf_tagger import CrfTagger

    finder = crf_finder(model)
    return CrfTagger(
        vocabulary_with_tags(model.vocab, finder.codec.tags),
        stock_embedder(model.text_field_embedder),
        stock_layers([model.encoder.shared, model.encoder.ner]),
        label_namespace=TAG_NAMESPACE,
        feedforward=stock_feed_forward(finder.levels[0].scorer),
        label_encoding=finder.codec.scheme,
        dropout=model.encoder.shared.dropout.p,
    )


def has_crf_tagger() -> bool:
    """Whether allennlp-models, an optional extra, is installed."""
    try:
        import allennlp_models.tagging.models.crf_tagger  # noqa: F401
    except ImportError:
        return False
    return True


def has_bfloat16(device: str) -> bool:
    """Whether the processor or the GPU has instructions for products of 16 bits."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def workload(system: str, setup: Setup, setting: Setting) -> Workload:
    """A system's workload for a setting."""
    if system == SPACY:
        return spacy_workload(setup, setting)
    made = load(setup, setting, system in (SHIPPED_LOW, SHIPPED_ONE))
    model, arguments = as_system(system, made.model)
    model = model.to(setup.device)
    facts = facts_of(made.sentences)
    labelled_batches = make_batches(
        made.reader, made.model, made.sentences, setting.batch_size, setup.device
    )
    if setting.task == TRAINING:
        batches = [arguments(batch) for batch in labelled_batches]
        if model is not made.model:
            # Under AllenNLP's own name: the shipped one may be this package's variant of it.
            made.optimizer["type"] = "adamw"
        return Workload(training(model, made.optimizer, batches), facts)
    if setting.vectors == KEPT:
        # Vectors of raw text are not kept, those of a corpus are.
        with torch.no_grad():
            for batch in labelled_batches:
                model.eval()(**arguments(batch))
    batches = make_batches(
        made.reader, made.model, made.sentences, setting.batch_size, setup.device, labels=False
    )
    if system != CRF_TAGGER:
        facts.update(_found(model, batches))
    # As the shipped predictor does; AllenNLP's does one after the other.
    each = map_in_threads if system in (SHIPPED, SHIPPED_LOW) and setup.device == "cpu" else in_turn
    if setting.task == INDEXED:
        return Workload(_extraction_with_indexing(model, made, setting.batch_size, each), facts)
    return Workload(extraction(model, [arguments(batch) for batch in batches], each), facts)


def as_system(system: str, model: JointModel) -> tuple[Model, Callable[[dict], dict]]:
    """The system with the model's weights, and what of a batch it takes."""
    if system in (SHIPPED, SHIPPED_LOW, SHIPPED_ONE):
        return model, without_tags
    if system == STOCK:
        return StockModel(model), dict
    return crf_tagger(model), only_tags


def training(model: Model, optimizer: Params, batches: Sequence[dict]) -> Callable[[], None]:
    step = TrainingStep(model, optimizer)
    model.train()

    def run() -> None:
        for batch in batches:
            step(batch)
        synchronize()

    return run


Each = Callable[[Callable[[Any], None], Sequence[Any]], Any]


def in_turn(run: Callable[[Any], None], items: Sequence[Any]) -> None:
    """One after the other."""
    for item in items:
        run(item)


def extraction(model: Model, batches: Sequence[dict], each: Each = in_turn) -> Callable[[], None]:
    """A pass over the batches, the longest sentences first.

    Each begins without knowing any words, as that over a new corpus.
    """
    model.eval()
    remembering = [module for module in model.modules() if isinstance(module, CharacterEmbedder)]

    def predict(batch: dict) -> None:
        with torch.inference_mode():
            model(**batch)

    def run() -> None:
        for embedder in remembering:
            embedder.forget()
        each(predict, batches[::-1])
        synchronize()

    return run


def _extraction_with_indexing(
    model: Model, made: Made, size: int, each: Each
) -> Callable[[], None]:
    """From sentences to sentences: instances, indices and tensors are made each time."""
    model.eval()
    device = next(model.parameters()).device

    def predict(part: list[Sentence]) -> None:
        batch = Batch([labelled(made.reader, sentence, False) for sentence in part])
        batch.index_instances(model.vocab)
        with torch.inference_mode():
            model(**move_to_device(batch.as_tensor_dict(), device))

    def run() -> None:
        each(predict, cut(made.sentences, size)[::-1])
        synchronize()

    return run


def _found(model: Model, batches: Sequence[dict]) -> dict[str, Any]:
    """How many entities and relations are predicted for a sentence, on average."""
    model.eval()
    with torch.inference_mode():
        found = [sentence for batch in batches for sentence in model(**batch)["sentences"]]
    return {
        "entities_per_sentence": sum(len(s.entities) for s in found) / len(found),
        "relations_per_sentence": sum(len(s.relations) for s in found) / len(found),
    }


# spaCy


def spacy_workload(setup: Setup, setting: Setting) -> Workload:
    """spaCy's NER with its default embedding layers, on the same gold entities."""
    torch.set_num_threads(setup.threads)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    learned = read_sentences(setup.data)[: setup.learned]
    optimizer = nlp.initialize(lambda: [_example(nlp, sentence) for sentence in learned])
    sentences = chosen_sentences(setup, setting)
    batches = cut([_example(nlp, sentence) for sentence in sentences], setting.batch_size)
    if setting.task == TRAINING:

        def train() -> None:
            for batch in batches:
                nlp.update(batch, sgd=optimizer, drop=0.35)

        return Workload(train, facts_of(sentences))
    # So that some entities are found.
    for batch in cut([_example(nlp, sentence) for sentence in learned[:640]], 16):
        nlp.update(batch, sgd=optimizer, drop=0.35)

    def extract() -> None:
        docs = (Doc(nlp.vocab, list(sentence.tokens)) for sentence in sentences)
        for _ in nlp.pipe(docs, batch_size=setting.batch_size):
            pass

    facts = facts_of(sentences)
    found = list(nlp.pipe([Doc(nlp.vocab, list(s.tokens)) for s in sentences]))
    facts["entities_per_sentence"] = sum(len(doc.ents) for doc in found) / len(found)
    return Workload(extract, facts)


def _example(nlp: Any, sentence: Sentence) -> Example:
    words = list(sentence.tokens)
    # spaCy's entities do not overlap either.
    entities = [sentence.entities[index] for index in flatten(sentence.entities)]
    gold = Doc(nlp.vocab, words)
    gold.ents = [Span(gold, e.start, e.end, label=e.type) for e in entities]
    return Example(Doc(nlp.vocab, words), gold)
