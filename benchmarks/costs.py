"""Where the shipped model's time goes, and how it grows."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

import torch
from measure import Workload, repeated, seconds_of
from prepared import (
    EXTRACTION,
    LIVE,
    TRAINING,
    Made,
    Setting,
    Setup,
    TrainingStep,
    chosen_sentences,
    cut,
    facts_of,
    load,
    make_batches,
    read_sentences,
    synchronize,
    without_tags,
)
from stock import crf_finder, stock_layers
from systems import extraction
from torch import Tensor

from joint_ner_re.models import JointModel
from joint_ner_re.sentence import Sentence

CRF = "CRF"
RELATIONS = "relation scorer"
REST = "rest"
# Tokens of a sentence that holds 20 entities.
LONG = 20
# Beside scores of a few units, so much decides.
DECISIVE = 50.0


class Clock:
    """Seconds by part of the model.

    A part's forward time is that of its functions. Its backward time is that of the autograd
    nodes that its functions made: while a function runs, the nodes are numbered on, so that the
    numbers before and after it tell which are its own.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._made: list[tuple[int, int, str]] = []
        self._watched: list[tuple[Any, str, Any]] = []
        self._start = 0.0

    def watch(self, owner: Any, attribute: str, part: str) -> None:
        """Count what this method of this object takes; watched methods must not call others."""
        plain = getattr(owner, attribute)
        # What stands in the place of the class's method already; see `force_entities`.
        replaced = vars(owner).get(attribute)

        def timed(*arguments: Any, **options: Any) -> Any:
            first = torch.autograd._get_sequence_nr()
            synchronize()
            start = time.perf_counter()
            result = plain(*arguments, **options)
            synchronize()
            self.seconds[part] += time.perf_counter() - start
            self._made.append((first, torch.autograd._get_sequence_nr(), part))
            return result

        setattr(owner, attribute, timed)
        self._watched.append((owner, attribute, replaced))

    def watch_backward(self, loss: Tensor) -> None:
        """Count what each part's nodes take when this loss goes backwards."""
        waiting, seen = [loss.grad_fn], set()
        while waiting:
            node: Any = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
            part = self._part_of(node._sequence_nr())
            if part is not None:
                node.register_prehook(self._begin)
                node.register_hook(self._finish(part))
        self._made.clear()

    def _part_of(self, number: int) -> str | None:
        for first, end, part in self._made:
            if first <= number < end:
                return part
        return None

    def _begin(self, _: Any) -> None:
        synchronize()
        self._start = time.perf_counter()

    def _finish(self, part: str) -> Callable[..., None]:
        def finish(*_: Any) -> None:
            synchronize()
            self.seconds[part] += time.perf_counter() - self._start

        return finish

    def unwatch(self) -> None:
        """Give the methods back."""
        for owner, attribute, replaced in self._watched:
            if replaced is None:
                delattr(owner, attribute)
            else:
                setattr(owner, attribute, replaced)


@contextmanager
def watching(model: JointModel) -> Iterator[Clock]:
    """A clock of the model's parts."""
    clock = Clock()
    for name, embedder in model.text_field_embedder._token_embedders.items():
        clock.watch(embedder, "forward", f"embedder: {name}")
    for name in ("shared", "ner", "relation"):
        clock.watch(getattr(model.encoder, name), "forward", f"BiRNN: {name}")
    finder = crf_finder(model)
    clock.watch(finder.levels[0].scorer, "forward", "tag scorer")
    for name in ("log_likelihood", "viterbi", "span_probabilities"):
        clock.watch(finder.levels[0].crf, name, CRF)
    for name in ("encode", "decode", "last_tags"):
        clock.watch(finder.span_tagger, name, "spans and tags")
    clock.watch(model.relation_scorer, "forward", RELATIONS)
    clock.watch(model, "_predict_relations", RELATIONS)
    clock.watch(model, "_to_sentences", "sentences")
    try:
        yield clock
    finally:
        clock.unwatch()


def shares(
    setup: Setup, setting: Setting, repetitions: int, entities: int | None = None
) -> Workload:
    """Which share of a repetition each part of the shipped model takes, under `shares`.

    # Parameters

    setup : `Setup`
    setting : `Setting`
    repetitions : `int`
        The times are medians of so many.
    entities : `int`, optional (default = `None`)
        So many entities in every sentence, in sentences of `LONG` tokens or more; default:
        those that the model finds. See `force_entities`.
    """
    made = load(setup, setting)
    if entities is not None:
        made.sentences = chosen_sentences(setup, setting, LONG)
        force_entities(made.model, entities, min(len(s.tokens) for s in made.sentences))
    run, step = _runs(made, setup, setting)
    whole = statistics.median(repeated(run, repetitions))
    parts: dict[str, list[float]] = {}
    for _ in range(repetitions):
        with watching(made.model) as clock:
            if step is not None:
                _watch_step(clock, step)
            run()
            if step is not None:
                del step.backward
        for part, seconds in clock.seconds.items():
            parts.setdefault(part, []).append(seconds)
    times = {part: statistics.median(seconds) for part, seconds in parts.items()}
    # The clock itself costs time, between the parts; the rest is counted without it.
    times[REST] = max(0.0, whole - sum(times.values()))
    total = sum(times.values())
    found = {part: seconds / total for part, seconds in times.items()}
    facts = {**facts_of(made.sentences), "seconds": whole, "shares": found}
    return Workload(lambda: None, facts)


def _runs(
    made: Made, setup: Setup, setting: Setting
) -> tuple[Callable[[], None], TrainingStep | None]:
    """A repetition, and for training its step."""
    gold = make_batches(made.reader, made.model, made.sentences, setting.batch_size, setup.device)
    batches = [without_tags(batch) for batch in gold]
    if setting.task == TRAINING:
        step = TrainingStep(made.model, made.optimizer)
        made.model.train()
        return (lambda: [step(batch) for batch in batches] and None), step
    with torch.no_grad():
        for batch in batches:
            made.model.eval()(**batch)
    raw = [{k: v for k, v in batch.items() if k != "annotation"} for batch in batches]
    return extraction(made.model, raw), None


def _watch_step(clock: Clock, step: TrainingStep) -> None:
    clock.watch(step, "clip", "clipping")
    clock.watch(step.optimizer, "step", "optimizer")

    def backward(loss: Tensor) -> None:
        clock.watch_backward(loss)
        loss.backward()

    step.backward = backward  # type: ignore[method-assign]


def force_entities(model: JointModel, entities: int, length: int) -> None:
    """Make the model find so many entities in every sentence.

    The tags' scores, once computed, get so much on top at one tag of each token that nothing else
    is decoded: at evenly spaced tokens among the first `length` of a sentence the tag of an entity
    of one token, elsewhere that of no entity. CRF, decoding and relation scorer then run as ever.
    """
    finder = crf_finder(model)
    scorer, codec = finder.levels[0].scorer, finder.codec
    plain = scorer.forward
    places = [number * length // entities for number in range(entities)]
    # An entity of one token and of the first type.
    unit = codec.tags.index(f"{codec.prefix(True, True)}-{codec.types[0]}")

    def forced(states: Tensor) -> Tensor:
        scores = plain(states)
        wanted = torch.zeros(scores.size(1), dtype=torch.long, device=scores.device)
        wanted[places] = unit
        added = torch.nn.functional.one_hot(wanted, scores.size(2)) * DECISIVE
        return scores + added

    scorer.forward = forced  # type: ignore[method-assign]


def made_sentence(sentences: Sequence[Sentence], tokens: int) -> Sentence:
    """One sentence of exactly so many tokens, those of the corpus one after the other."""
    words = cycle(word for sentence in sentences for word in sentence.tokens)
    return Sentence(list(islice(words, tokens)))


def relation_networks(setup: Setup, setting: Setting) -> Workload:
    """The relation layers alone as PyTorch's packed networks, forwards and backwards."""
    made = load(setup, setting)
    layers = stock_layers([made.model.encoder.relation]).to(setup.device)
    inputs = []
    for part in cut(made.sentences, setting.batch_size):
        lengths = torch.tensor([len(s.tokens) for s in part], device=setup.device)
        mask = torch.arange(int(lengths.max()), device=setup.device) < lengths.unsqueeze(1)
        states = torch.rand(*mask.shape, layers.get_input_dim(), device=setup.device)
        inputs.append((states.requires_grad_(), mask))

    def run() -> None:
        for states, mask in inputs:
            layers(states, mask).sum().backward()
        synchronize()

    return Workload(run, facts_of(made.sentences))


def long_document(setup: Setup, cell: str, tokens: int, entities: int | None) -> Workload:
    """Extraction from one sentence of so many tokens, by the live encoder.

    # Parameters

    setup : `Setup`
    cell : `str`
    tokens : `int`
        Length of the sentence.
    entities : `int`, optional
        How many the model finds in it; see `force_entities`. `None` leaves it to the model.
    """
    made = load(setup, Setting(EXTRACTION, cell, LIVE, 1))
    sentence = made_sentence(read_sentences(setup.data), tokens)
    if entities is not None:
        force_entities(made.model, entities, tokens)
    batches = make_batches(made.reader, made.model, [sentence], 1, setup.device, labels=False)
    made.model.eval()
    with torch.inference_mode():
        (found,) = made.model(**batches[0])["sentences"]
    facts = {
        **facts_of([sentence]),
        "entities": len(found.entities),
        "relations": len(found.relations),
    }
    return Workload(extraction(made.model, batches), facts)


def reading(path: str, repetitions: int) -> Workload:
    """Reading the ADE corpus, in steps: seconds of each, and how many sentences there are.

    spaCy's tokenisation alone; the file's parsing with it; and the instances of the sentences.
    """
    from allennlp.data import DatasetReader

    from joint_ner_re.corpora import read_corpus

    reader: Any = DatasetReader.by_name("ade")()
    sentences = list(read_corpus(path, tokenizer=reader.tokenizer))
    texts = [sentence.text for sentence in sentences]
    counts: Counter[str] = Counter()
    steps: dict[str, Callable[[], Any]] = {
        "tokenisation by spaCy": lambda: list(reader.tokenizer.tokenize(texts)),
        "parsing and tokenisation": lambda: list(read_corpus(path, tokenizer=reader.tokenizer)),
        "instances of sentences": lambda: [reader._instance(s, counts) for s in sentences],
        "all: reader.read": lambda: list(reader.read(path)),
    }
    seconds = {
        name: [seconds_of(action) for _ in range(repetitions)] for name, action in steps.items()
    }
    facts = {**facts_of(sentences), "seconds": seconds}
    return Workload(lambda: None, facts)
