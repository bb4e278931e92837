"""A component for spaCy pipelines: `nlp.add_pipe("joint_ner_re", config={"archive": ...})`.

spaCy finds the factory through `joint_ner_re_spacy`, which imports this module.
"""

import io
import os
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
    cast,
)

from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from spacy.util import filter_spans, minibatch, raise_error

from joint_ner_re.corpora.units import in_units
from joint_ner_re.hub import local_model
from joint_ner_re.messages import quote
from joint_ner_re.requirements import require_allennlp
from joint_ner_re.runtime.files import is_exported
from joint_ner_re.sentence import Entity, Relation, Sentence
from joint_ner_re.token_agreement import agreement

if TYPE_CHECKING:
    from joint_ner_re.documents import DocumentPredictor

ARCHIVE_NAME = "model.tar.gz"
# So many are compared with the model's tokenizer, to warn of another one.
_DOCS_TO_COMPARE = 20
EXPORTED_NAME = "model"
_GZIP = b"\x1f\x8b"
# A Doc, and the tokens of each of its sentences.
_SplitDoc = tuple[Doc, list[list[Token]]]


class ResolvedRelation(NamedTuple):
    """A relation of a Doc, with its arguments as spans."""

    head: Span
    type: str
    tail: Span
    score: float | None


class JointComponent:
    """Adds the entities and relations that a model trained by `allennlp train` finds to a Doc.

    The model gets the Doc's sentences and tokens, without white space tokens. The component sets

    - `doc._.joint_entities`: a list of `{"type", "char_start", "char_end", "score"}`;
    - `doc._.relations`: a list of `{"type", "head", "tail", "score"}`, where `head` and `tail` are
      positions in `doc._.joint_entities`; `resolve_relations` gives them as spans;
    - `doc.ents`: the entities, and the longest where several overlap;
    - `span._.joint_score`: the score if the span is an entity of the model, else `None`.

    The two lists are plain data. `doc.copy`, `doc.to_bytes`, pickling and
    `DocBin(store_user_data=True)` keep their types and values, and they stay valid when `doc.ents`
    or the tokens change.

    # Parameters

    name : `str`, optional (default = `"joint_ner_re"`)
        The component's name in its pipeline.
    archive : `str`, optional (default = `None`)
        The path or URL of a `model.tar.gz`, or a directory that `allennlp export` wrote, which
        needs neither PyTorch nor AllenNLP. It is loaded for the first Doc. `None` if
        `from_disk` or `from_bytes` will provide the model.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the model runs on; -1 is the CPU.
    batch_size : `int`, optional (default = `256`)
        The maximum number of Docs in a batch of `nlp.pipe`.
    keep_entities : `bool`, optional (default = `True`)
        Whether entities that were in `doc.ents` before stay if they share no token with an entity
        of the model. If `False`, all of them are replaced.
    split_sentences : `bool`, optional (default = `True`)
        Whether to split a Doc without sentence boundaries where the model's own rules say, for this
        component only. If `False`, such a Doc is an error. Boundaries that a Doc has are used.

    # Raises

    `ValueError`
        If `batch_size` is not positive, or another package uses the names of the extensions.
    """

    def __init__(
        self,
        name: str = "joint_ner_re",
        archive: str | None = None,
        cuda_device: int = -1,
        batch_size: int = 256,
        keep_entities: bool = True,
        split_sentences: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
        register_extensions()
        self.name = name
        # The working directory may be another one when the archive is loaded.
        self.archive = os.path.abspath(archive) if archive and os.path.exists(archive) else archive
        self.cuda_device = cuda_device
        self.batch_size = batch_size
        self.keep_entities = keep_entities
        self.split_sentences = split_sentences
        self._error_handler: Callable = raise_error
        self._content: bytes | None = None
        self._predictor: DocumentPredictor | None = None
        self._process = os.getpid()
        # How many more Docs to compare with the model's tokenizer.
        self._to_compare = _DOCS_TO_COMPARE
        self._threads: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process, such as a worker of nlp.pipe, loads its own copy of the model.
        return {**self.__dict__, "_predictor": None}

    @property
    def predictor(self) -> "DocumentPredictor":
        """The model, which is loaded on first use."""
        if self._process != os.getpid() and parent_process() is not None:
            # In a worker of nlp.pipe(n_process=...): OpenMP's threads do not survive the fork, so
            # waiting for them would never end. The workers share the cores anyway.
            self._threads = 1
            if self._predictor is not None and not self._predictor.survives_fork:
                self._predictor = None
            with suppress(ModuleNotFoundError):
                import torch

                torch.set_num_threads(1)
            self._process = os.getpid()
        if self._predictor is None:
            from joint_ner_re.extractor import load_any

            with self._archive_file() as path:
                self._predictor = load_any(path, self.cuda_device, self._threads)
        return self._predictor

    def __call__(self, doc: Doc) -> Doc:
        """Annotate one Doc. The pipeline handles errors."""
        self._annotate(self.predictor, [(doc, self._sentences(doc))])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 256) -> Iterator[Doc]:
        """Annotate many Docs in batches; the order stays.

        A Doc that cannot be annotated goes to the error handler and is left out of the result.
        """
        from joint_ner_re.halving import in_halves

        for docs in minibatch(stream, min(batch_size, self.batch_size)):
            # Not passed to the error handler: a missing model is not the fault of these Docs.
            predictor = self.predictor
            batch: list[_SplitDoc] = []
            for doc in docs:
                try:
                    batch.append((doc, self._sentences(doc)))
                except Exception as error:
                    self._error_handler(self.name, self, [doc], error)
            # A single Doc may be the cause of any exception, so halving may always help.
            annotate = partial(self._annotate, predictor)
            annotated = in_halves(annotate, batch, self._give_up, may_help=lambda error: True)
            yield from (doc for doc in annotated if doc is not None)

    def _sentences(self, doc: Doc) -> list[list[Token]]:
        """The tokens of each sentence, without white space tokens."""
        if doc.has_annotation("SENT_START"):
            spans = list(doc.sents)
        elif self.split_sentences:
            spans = list(_split_by_model(self.predictor, doc))
        else:
            raise ValueError(
                f"the component {self.name!r} got a Doc without sentence boundaries: add "
                "nlp.add_pipe('sentencizer') or a parser before it, or set its option "
                "split_sentences to true"
            )
        return [tokens for tokens in map(_words, spans) if tokens]

    def _annotate(self, predictor: "DocumentPredictor", batch: list[_SplitDoc]) -> list[Doc | None]:
        units = [(doc, in_units(parts, predictor.unit)) for doc, parts in batch]
        sentences = [Sentence(_texts(tokens)) for _, parts in units for tokens in parts]
        predicted = iter(predictor.predict_sentences(sentences))
        for doc, parts in units:
            self._compare_tokens(predictor, doc, parts)
            set_annotations(doc, [next(predicted) for _ in parts], self.keep_entities)
        return [doc for doc, _ in batch]

    def _compare_tokens(
        self, predictor: "DocumentPredictor", doc: Doc, parts: list[list[Token]]
    ) -> None:
        """Warn once if the pipeline's tokens are not the model's, by the first Docs."""
        if not self._to_compare or not parts:
            return
        self._to_compare -= 1
        tokens = [token for part in parts for token in part]
        spans = [(token.idx, token.idx + len(token)) for token in tokens]
        sentence = Sentence(_texts(tokens), text=doc.text, offsets=spans)
        found = agreement([sentence], predictor.text_tokenizer)
        if found.same == found.tokens:
            return
        self._to_compare = 0
        warnings.warn(
            f"the component {self.name!r} got a Doc whose tokens are not those of its model: "
            f"{found.describe()}. The model may find less: give the pipeline the model's "
            "tokenizer (a model of fine granularity has joint_ner_re.fine.v1)",
            stacklevel=2,
        )

    def _give_up(self, item: _SplitDoc, error: Exception) -> None:
        self._error_handler(self.name, self, [item[0]], error)

    def set_error_handler(self, error_handler: Callable) -> None:
        """Set the function that handles errors; its arguments are name, component, Docs, error."""
        self._error_handler = error_handler

    def get_error_handler(self) -> Callable:
        """The function that handles errors; the default one raises the exception."""
        return self._error_handler

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Strict scores of entities and relations, for `nlp.evaluate`.

        The gold relations are `reference._.relations`. The gold entities are
        `reference._.joint_entities` or, if that was never set, `reference.ents`. Positions are
        compared in characters, so the two Docs of an example may have different tokens. Examples
        whose reference has neither are skipped (with `doc.ents = []` it has entities: none).

        # Returns

        `dict[str, Any]`
            The scores of `joint_ner_re.metrics.score` with `joint_` before each name. All are
            `None` if no example has gold annotations.
        """
        from joint_ner_re.metrics import score

        annotated = [
            example
            for example in examples
            if example.reference._.joint_entities is not None
            or example.reference.has_annotation("ENT_IOB")
        ]
        for example in annotated:
            if example.reference.text != example.predicted.text:
                raise ValueError(
                    f"an example's reference has the text {quote(example.reference.text)}, its "
                    f"prediction {quote(example.predicted.text)}; expected the same text"
                )
        scores = score(
            [_in_characters(example.reference) for example in annotated],
            [_in_characters(example.predicted) for example in annotated],
        )
        return {f"joint_{name}": scores[name] if annotated else None for name in scores}

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Copy the model's archive into the directory `path`, which is created."""
        Path(path).mkdir(parents=True, exist_ok=True)
        with self._archive_file() as source:
            exported = os.path.isdir(source)
            target = Path(path) / (EXPORTED_NAME if exported else ARCHIVE_NAME)
            other = Path(path) / (ARCHIVE_NAME if exported else EXPORTED_NAME)
            if target.exists() and target.samefile(source):
                return
            if exported:
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)
                other.unlink(missing_ok=True)
            else:
                shutil.copyfile(source, target)
                shutil.rmtree(other, ignore_errors=True)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "JointComponent":
        """Use the model in a directory that `to_disk` wrote."""
        archive = Path(path) / ARCHIVE_NAME
        if is_exported(Path(path) / EXPORTED_NAME):
            archive = Path(path) / EXPORTED_NAME
        elif not archive.is_file():
            raise FileNotFoundError(
                f"no {ARCHIVE_NAME} in {path} and no {EXPORTED_NAME}; expected what to_disk wrote"
            )
        self.archive = str(archive.absolute())
        self._content = self._predictor = None
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The model's archive, or the files of an exported model in a tar file."""
        with self._archive_file() as source:
            if not os.path.isdir(source):
                return Path(source).read_bytes()
            packed = io.BytesIO()
            # The hub's cache has links in the place of files.
            with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
                tar.add(source, arcname=EXPORTED_NAME)
            return packed.getvalue()

    def from_bytes(self, content: bytes, *, exclude: Iterable[str] = ()) -> "JointComponent":
        """Use the model that `to_bytes` returned."""
        self._content = content
        self._predictor = None
        return self

    @contextmanager
    def _archive_file(self) -> Iterator[str]:
        """A local file with the archive, or the directory of an exported model."""
        if self._content is not None:
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / ARCHIVE_NAME
                if self._content[:2] == _GZIP:
                    path.write_bytes(self._content)
                else:
                    path = Path(directory) / EXPORTED_NAME
                    with tarfile.open(fileobj=io.BytesIO(self._content), mode="r:") as tar:
                        # Plain files in this directory only.
                        tar.extractall(directory, filter="data")
                yield str(path)
        elif self.archive is not None:
            local = os.fspath(local_model(self.archive))
            if not is_exported(local) and local == self.archive:
                require_allennlp()
                from allennlp.common.file_utils import cached_path

                local = str(cached_path(local))
            yield local
        else:
            raise ValueError(
                f"the component {self.name!r} has no model; give it one with "
                "nlp.add_pipe('joint_ner_re', config={'archive': 'model.tar.gz'}) or from_disk"
            )


def register_extensions() -> None:
    """Register `doc._.joint_entities`, `doc._.relations` and `span._.joint_score` with spaCy.

    Components and the functions of this module do this; call it to read the annotations of a
    stored Doc without them. Existing extensions stay as they are.

    # Raises

    `ValueError`
        If one of the two Doc extensions exists as a getter or a method, which cannot be set.
    """
    for name, (getter, setter) in _DOC_EXTENSIONS.items():
        if not Doc.has_extension(name):
            Doc.set_extension(name, getter=getter, setter=setter)
            continue
        _, method, theirs, _ = Doc.get_extension(name)
        if method or theirs not in (None, getter):
            raise ValueError(
                f"doc._.{name} is already a getter or method of another package; joint_ner_re "
                f"must set it: call Doc.remove_extension({name!r}) if the other is not needed"
            )
    if not Span.has_extension("joint_score"):
        Span.set_extension("joint_score", getter=_score_of)


def _stored(doc: Doc, name: str, default: tuple | None) -> list[Any] | None:
    """The value of `doc._.NAME`, as a list even if loading the Doc has made it a tuple."""
    data, key = _user_data(doc), ("._.", name, None, None)
    value = data.get(key, default)
    if isinstance(value, tuple):
        value = data[key] = _with_lists(value)
    return value


def _store(doc: Doc, value: Any, name: str) -> None:
    # spaCy keeps the values of extensions without a setter under this key.
    _user_data(doc)["._.", name, None, None] = _with_lists(value)


def _user_data(doc: Doc) -> dict[Any, Any]:
    # spaCy's type hint says that keys are strings, but spaCy itself uses tuples.
    return cast(dict[Any, Any], doc.user_data)


def _with_lists(value: Any) -> Any:
    """A copy with lists instead of tuples, since DocBin turns lists into tuples."""
    if isinstance(value, (list, tuple)):
        return [_with_lists(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_lists(item) for name, item in value.items()}
    return value


# The getter and the setter of each extension.
_DOC_EXTENSIONS: dict[str, tuple[Callable, Callable]] = {
    name: (partial(_stored, name=name, default=default), partial(_store, name=name))
    for name, default in (("joint_entities", None), ("relations", ()))
}


def set_annotations(doc: Doc, sentences: Iterable[Sentence], keep_entities: bool = False) -> None:
    """Add the entities and relations of sentences to a Doc.

    # Parameters

    doc : `Doc`
        The Doc.
    sentences : `Iterable[Sentence]`
        Its sentences, predicted or gold. Their tokens are those of the Doc without white space
        tokens.
    keep_entities : `bool`, optional (default = `False`)
        As for `JointComponent`. `doc.ents` gets only the longest of several overlapping entities;
        `doc._.joint_entities` gets them all.

    # Raises

    `ValueError`
        If the tokens differ.
    """
    register_extensions()
    sentences, words = list(sentences), _words(doc)
    expected = [text for sentence in sentences for text in sentence.tokens]
    if expected != _texts(words):
        raise ValueError(
            f"the sentences have {len(expected)} tokens, first {expected[:5]}, the Doc has "
            f"{len(words)}, first {_texts(words[:5])}; expected the same tokens"
        )
    spans: list[Span] = []
    entities: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []
    base = 0
    for sentence in sentences:
        known = len(entities)
        relations += [
            {"type": r.type, "head": known + r.head, "tail": known + r.tail, "score": r.score}
            for r in sentence.relations
        ]
        for entity in sentence.entities:
            first, last = words[base + entity.start], words[base + entity.end - 1]
            spans.append(Span(doc, first.i, last.i + 1, label=entity.type))
            entities.append(_record(spans[-1], entity.score))
        base += len(sentence.tokens)
    doc._.joint_entities, doc._.relations = entities, relations
    spans = filter_spans(spans)
    taken = {position for span in spans for position in range(span.start, span.end)}
    others = doc.ents if keep_entities else ()
    doc.ents = [*spans, *(s for s in others if taken.isdisjoint(range(s.start, s.end)))]


def resolve_relations(doc: Doc) -> list[ResolvedRelation]:
    """The Doc's relations as `(head, type, tail, score)`, where head and tail are spans.

    If `doc._.joint_entities` was never set, relations refer to `doc.ents`.

    # Raises

    `ValueError`
        If a relation refers to an entity that does not exist, or an entity is not in the text.
    """
    annotated = _in_characters(doc)
    spans = [_span(doc, entity) for entity in annotated.entities]
    return [
        ResolvedRelation(spans[relation.head], relation.type, spans[relation.tail], relation.score)
        for relation in annotated.relations
    ]


def doc_to_sentence(doc: Doc | Span) -> Sentence:
    """Convert a Doc or one of `doc.sents` to a `Sentence`, for example for training.

    White space tokens are left out and, for a span, so are entities and relations outside it.

    # Raises

    `ValueError`
        As `resolve_relations`.
    """
    words = _words(doc)
    positions = {word.i: position for position, word in enumerate(words)}
    annotated = _in_characters(doc.doc)
    entities: list[Entity] = []
    outside: list[int] = []
    for index, entity in enumerate(annotated.entities):
        covered = [word.i for word in _words(_span(doc.doc, entity))]
        if covered and all(token in positions for token in covered):
            start, end = positions[covered[0]], positions[covered[-1]] + 1
            entities.append(Entity(entity.type, start, end, entity.score))
        else:
            outside.append(index)
    begin = doc.start_char if isinstance(doc, Span) else 0
    return Sentence(
        _texts(words),
        entities,
        annotated.without(outside).relations,
        text=doc.text,
        offsets=[(word.idx - begin, word.idx - begin + len(word)) for word in words],
    )


def _in_characters(doc: Doc) -> Sentence:
    """The Doc's annotations in a sentence whose tokens are the characters of the text."""
    register_extensions()
    records = doc._.joint_entities
    if records is None:
        records = [_record(span) for span in doc.ents]
    return Sentence(
        doc.text,
        [Entity(r["type"], r["char_start"], r["char_end"], r.get("score")) for r in records],
        [Relation(r["type"], r["head"], r["tail"], r.get("score")) for r in doc._.relations or ()],
    )


def _span(doc: Doc, entity: Entity) -> Span:
    """The tokens that cover an entity given in characters."""
    span = doc.char_span(entity.start, entity.end, label=entity.type, alignment_mode="expand")
    assert span is not None
    return span


def _record(span: Span, score: float | None = None) -> dict[str, Any]:
    begin, end = span.start_char, span.end_char
    return {"type": span.label_, "char_start": begin, "char_end": end, "score": score}


def _score_of(span: Span) -> float | None:
    wanted = _record(span)
    for record in span.doc._.joint_entities or ():
        if {**record, "score": None} == wanted:
            return record["score"]
    return None


def _split_by_model(predictor: "DocumentPredictor", doc: Doc) -> Iterator[Span]:
    """The sentences of a Doc's text by the model's rules, in the Doc's own tokens.

    A sentence that begins inside a token begins with the next one.
    """
    (sentences,) = predictor.text_tokenizer.split([doc.text])
    # The first one begins with the Doc.
    begins = [sentence[0][0] for sentence in sentences[1:]]
    first = 0
    for token in doc:
        if begins and token.idx >= begins[0]:
            while begins and token.idx >= begins[0]:
                del begins[0]
            if token.i > first:
                yield doc[first : token.i]
            first = token.i
    yield doc[first:]


def _words(tokens: Doc | Span) -> list[Token]:
    return [token for token in tokens if not token.is_space]


def _texts(tokens: Iterable[Token]) -> list[str]:
    return [token.text for token in tokens]
