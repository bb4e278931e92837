"""The spaCy component. Its model knows fixtures/conll04_spert.json by heart, so what it must find
stands in that file."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import spacy
from missing import LARGE, without
from programs import printed
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

import joint_ner_re_spacy
from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.sentence import Entity, Relation, Sentence, SentenceError
from joint_ner_re.spacy_component import (
    JointComponent,
    doc_to_sentence,
    register_extensions,
    resolve_relations,
    set_annotations,
)
from joint_ner_re.spacy_tokenizers import FineTokenizer
from joint_ner_re.tokenization import TextTokenizer

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "fixtures" / "conll04_spert.json"

# Three sentences of the corpus, and what is annotated in them.
HARBOR = "The harbor of Lisgard lies in Tarnia."
SHOT = "Witnesses said Jon Pell shot Mayor Iva Sund on May 3."
RAIN = "It rained for nine days and the roads were closed."
HARBOR_ENTITIES = [("Lisgard", "Loc"), ("Tarnia", "Loc")]
SHOT_ENTITIES = [("Jon Pell", "Peop"), ("Mayor Iva Sund", "Peop"), ("May 3", "Other")]
LOCATED = ("Lisgard", "Located_In", "Tarnia")
KILL = ("Jon Pell", "Kill", "Mayor Iva Sund")


@pytest.fixture(scope="session")
def archive(shared_directory, few_threads):
    from allennlp.commands.train import train_model_from_file

    import joint_ner_re.plugin  # noqa: F401

    no_dropout = {f"model.encoder.{stack}.dropout": 0.0 for stack in ("shared", "ner", "relation")}
    changes = {
        "validation_data_path": None,
        "trainer.num_epochs": 40,
        "trainer.optimizer.lr": 0.02,
        "trainer.learning_rate_scheduler": None,
        "data_loader.batch_sampler.batch_size": 4,
        "vocabulary.min_count": {},
        "model.relation_scorer.dropout": 0.0,
        **no_dropout,
    }

    def train(directory):
        run = directory / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            train_model_from_file(ROOT / "fixtures/tiny.jsonnet", run, json.dumps(changes))
        corpus = list(read_corpus(CORPUS))
        predicted = load_predictor(str(run / "model.tar.gz")).predict_sentences(corpus)
        assert keys(predicted) == keys(corpus)

    return str(shared_directory("memory", train) / "run" / "model.tar.gz")


@pytest.fixture(scope="session")
def predictor(archive):
    return load_predictor(archive)


@pytest.fixture
def make_nlp(archive):
    def made(sentencizer=True, **config):
        nlp = spacy.blank("en")
        if sentencizer:
            nlp.add_pipe("sentencizer")
        nlp.add_pipe("joint_ner_re", config={"archive": archive, **config})
        return nlp

    return made


@pytest.fixture(scope="session")
def loaded(archive):
    """A pipeline for tests that do not change it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": archive})
    return nlp


def keys(sentences):
    return [
        (
            {entity.key for entity in s.entities},
            {(r.type, s.entities[r.head].key, s.entities[r.tail].key) for r in s.relations},
        )
        for s in sentences
    ]


def entities(doc):
    return [(span.text, span.label_) for span in doc.ents]


def relations(doc):
    return [(r.head.text, r.type, r.tail.text) for r in resolve_relations(doc)]


def everything(doc):
    """All that the component sets, to compare two Docs."""
    spans = [(s.start, s.end, s.label_, s._.joint_score) for s in doc.ents]
    # DocBin makes tuples of lists.
    return (doc.text, spans, list(doc._.joint_entities), list(doc._.relations))


# What it finds


def test_it_sets_entities_and_relations(loaded):
    doc = loaded(f"{HARBOR} {RAIN} {SHOT}")
    assert entities(doc) == HARBOR_ENTITIES + SHOT_ENTITIES
    assert relations(doc) == [LOCATED, KILL]
    assert [(r["type"], r["head"], r["tail"]) for r in doc._.relations] == [
        ("Located_In", 0, 1),
        ("Kill", 2, 3),
    ]


TEXTS = [
    HARBOR,
    f"{HARBOR} {SHOT}",
    "  \n " + SHOT.replace(" ", "  ") + "\n\n" + RAIN + " \n",
    f"😀 {HARBOR} 👩‍👩‍👧 {SHOT} 🇺🇳",
    "Zoë Ångström was in Köln — and in Tarnia.",
    "no capital no stop",
    *(ROOT / "fixtures/sample/raw.txt").read_text(encoding="utf-8").splitlines(),
]


def test_it_finds_what_the_predictor_finds(loaded, predictor):
    expected = predictor.predict_batch_json([{"text": text} for text in TEXTS])
    assert [len(record["relations"]) for record in expected[:3]] == [1, 2, 1]
    for doc, record in zip(loaded.pipe(TEXTS), expected):
        found = [(e["type"], e["char_start"], e["char_end"]) for e in doc._.joint_entities]
        assert found == [(e["type"], e["char_start"], e["char_end"]) for e in record["entities"]]
        assert [span.text for span in doc.ents] == [e["text"] for e in record["entities"]]
        assert [(r["type"], r["head"], r["tail"]) for r in doc._.relations] == [
            (r["type"], r["head"], r["tail"]) for r in record["relations"]
        ]
        for ours, theirs in (
            (doc._.joint_entities, record["entities"]),
            (doc._.relations, record["relations"]),
        ):
            assert [x["score"] for x in ours] == pytest.approx(
                [x["score"] for x in theirs], abs=1e-4
            )


def test_the_model_sees_the_tokens_of_the_doc(loaded):
    # One token that spaCy's own tokenizer would never make, and white space that is none.
    words = ["Jon Pell", "\n", "shot", "Mayor", "Iva", " ", "Sund", "on", "May", "3", "."]
    seen = []
    component = loaded.get_pipe("joint_ner_re")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            component.predictor,
            "predict_sentences",
            lambda s: [seen.append(x.tokens) or x for x in s],
        )
        loaded(Doc(loaded.vocab, words=words, spaces=[False] * len(words)))
    assert seen == [("Jon Pell", "shot", "Mayor", "Iva", "Sund", "on", "May", "3", ".")]


def test_entities_go_around_white_space(loaded):
    doc = loaded("Witnesses said  Jon  Pell shot Mayor \n Iva Sund on May 3.")
    assert [(span.text, span.label_) for span in doc.ents] == [
        ("Jon  Pell", "Peop"),
        ("Mayor \n Iva Sund", "Peop"),
        ("May 3", "Other"),
    ]
    assert relations(doc) == [("Jon  Pell", "Kill", "Mayor \n Iva Sund")]


def test_characters_are_code_points(loaded):
    doc = loaded(f"😀 👩‍👩‍👧 \u0301. {SHOT}")
    begin = doc.text.index("Jon")
    assert ("Peop", begin, begin + 8) in {
        (e["type"], e["char_start"], e["char_end"]) for e in doc._.joint_entities
    }


def test_scores(loaded):
    doc = loaded(SHOT)
    scores = [record["score"] for record in doc._.joint_entities]
    assert all(0.5 < score <= 1 for score in scores)
    assert [span._.joint_score for span in doc.ents] == scores
    assert resolve_relations(doc)[0].score == doc._.relations[0]["score"] > 0.5
    assert doc[0:1]._.joint_score is None
    assert Span(doc, 2, 4, label="Org")._.joint_score is None
    assert loaded.make_doc(SHOT)[2:4]._.joint_score is None


def test_the_annotations_are_json(loaded):
    doc = loaded(SHOT)
    for value in (doc._.joint_entities, doc._.relations):
        assert json.loads(json.dumps(value)) == value
    assert set(doc._.joint_entities[0]) == {"type", "char_start", "char_end", "score"}
    assert set(doc._.relations[0]) == {"type", "head", "tail", "score"}


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_a_text_without_words(loaded, text):
    for doc in (loaded(text), *loaded.pipe([text, text])):
        assert doc.text == text
        assert doc.ents == ()
        assert doc._.joint_entities == doc._.relations == resolve_relations(doc) == []


def test_a_doc_of_ten_thousand_tokens(loaded):
    count = 840
    text = " ".join([SHOT] * count)
    doc = loaded(text)
    assert len(doc) == 12 * count > 10000
    assert entities(doc) == SHOT_ENTITIES * count
    assert [(r["type"], r["head"], r["tail"]) for r in doc._.relations] == [
        ("Kill", 3 * number, 3 * number + 1) for number in range(count)
    ]
    assert relations(doc) == [KILL] * count


def test_a_sentence_of_ten_thousand_tokens(loaded, predictor):
    rain, shot = (text.rstrip(".").split() for text in (RAIN, SHOT))
    words = rain * 600 + shot + rain * 400
    assert len(words) > 10000
    (expected,) = predictor.predict_sentences([Sentence(words)])
    assert expected.entities
    doc = Doc(loaded.vocab, words=words, sent_starts=[True] + [False] * (len(words) - 1))
    assert len(list(doc.sents)) == 1
    loaded(doc)
    assert [(e.label_, e.start, e.end) for e in doc.ents] == [e.key for e in expected.entities]


# What stays with a Doc


def through_bytes(doc):
    return Doc(Vocab()).from_bytes(doc.to_bytes())


def through_doc_bin(doc):
    stored = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (restored,) = DocBin().from_bytes(stored).get_docs(Vocab())
    return restored


def through_pickle(doc):
    return pickle.loads(pickle.dumps(doc))


each_way = pytest.mark.parametrize(
    "through", [through_bytes, through_doc_bin, through_pickle, Doc.copy]
)


@each_way
def test_annotations_stay_with_the_doc(loaded, through):
    doc = loaded(f"{HARBOR} {SHOT}")
    assert everything(through(doc)) == everything(doc)
    assert relations(through(doc)) == [LOCATED, KILL]


# What a user may set: deeper than what is predicted, and with tuples.
SET = ({"type": "X", "head": 0, "tail": 1, "score": 0.1, "by": ("a", [{"b": (1, None)}])},)
KEPT = [{"type": "X", "head": 0, "tail": 1, "score": 0.1, "by": ["a", [{"b": [1, None]}]]}]


@each_way
@pytest.mark.parametrize("name", ["relations", "joint_entities"])
@pytest.mark.parametrize("value, kept", [(SET, KEPT), (KEPT, KEPT), ((), []), ([], []),
                                         (None, None)])  # fmt: skip
def test_type_and_value_are_the_same_on_both_sides(loaded, through, name, value, kept):
    doc = loaded.make_doc(SHOT)
    setattr(doc._, name, value)
    again = through(through(doc))
    # As text, where a tuple differs from a list, and 1 from 1.0.
    assert [repr(getattr(one._, name)) for one in (doc, again)] == [repr(kept)] * 2


@each_way
def test_predicted_annotations_are_lists_on_both_sides(loaded, through):
    doc = loaded(SHOT)
    for one in (doc, through(doc), through(through(doc))):
        assert type(one._.relations) is type(one._.joint_entities) is list
        assert repr(one._.relations) == repr(doc._.relations)
        assert repr(one._.joint_entities) == repr(doc._.joint_entities)


def test_a_doc_that_was_stored_with_tuples_is_read_with_lists(loaded):
    doc = loaded.make_doc(SHOT)
    doc.user_data["._.", "relations", None, None] = SET
    assert doc._.relations == KEPT
    doc._.relations.append(1)
    assert doc._.relations == [*KEPT, 1]


def test_never_annotated_docs_share_nothing(loaded):
    docs = [loaded.make_doc(SHOT) for _ in range(2)]
    docs[0]._.relations.append(1)
    assert docs[1]._.relations == []


def test_a_copy_is_independent(loaded):
    doc = loaded(SHOT)
    copied = through_bytes(doc)
    copied._.relations.clear()
    assert relations(doc) == [KILL]


def test_joined_docs_keep_entities_only(loaded):
    docs = [loaded(HARBOR), loaded(SHOT)]
    with pytest.warns(UserWarning, match="W101"):
        joined = Doc.from_docs(docs)
    assert entities(joined) == HARBOR_ENTITIES + SHOT_ENTITIES
    assert joined._.relations == [] and relations(joined) == []


def test_relations_outlive_changes_of_entities_and_tokens(make_nlp):
    nlp = make_nlp()
    nlp.add_pipe("merge_entities")
    doc = nlp(f"{HARBOR} {SHOT}")
    assert [token.text for token in doc if " " in token.text] == [
        "Jon Pell", "Mayor Iva Sund", "May 3",
    ]  # fmt: skip
    assert relations(doc) == [LOCATED, KILL]
    assert [span._.joint_score for span in doc.ents] == [e["score"] for e in doc._.joint_entities]
    doc.ents = []
    assert relations(doc) == [LOCATED, KILL]


def test_a_token_that_swallows_an_entity_stands_for_it(loaded):
    doc = loaded(SHOT)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])
    assert relations(doc) == [("Jon Pell shot", "Kill", "Mayor Iva Sund")]


# Entities of others


def ruler_before(nlp, *patterns):
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": label, "pattern": pattern} for label, pattern in patterns])
    return nlp


OTHERS = [("HERO", "Pell shot Mayor"), ("WORD", "Witnesses"), ("MONTH", "May")]


def test_entities_of_others_stay_where_they_do_not_overlap(make_nlp):
    doc = ruler_before(make_nlp(), *OTHERS)(SHOT)
    assert entities(doc) == [("Witnesses", "WORD"), *SHOT_ENTITIES]
    assert doc.ents[0]._.joint_score is None
    assert [e["type"] for e in doc._.joint_entities] == ["Peop", "Peop", "Other"]
    assert relations(doc) == [KILL]


def test_entities_of_others_can_be_replaced(make_nlp):
    doc = ruler_before(make_nlp(keep_entities=False), *OTHERS)(SHOT)
    assert entities(doc) == SHOT_ENTITIES


# Sentences


def test_without_splitting_a_doc_without_sentences_is_an_error(make_nlp):
    nlp = make_nlp(sentencizer=False, split_sentences=False)
    with pytest.raises(ValueError, match=r"add_pipe\('sentencizer'\).*split_sentences"):
        nlp(f"{HARBOR} {SHOT}")
    with pytest.raises(ValueError, match="without sentence boundaries"):
        list(nlp.pipe([SHOT]))


def test_it_can_split_sentences_itself(make_nlp, loaded):
    text = f"{HARBOR}  {SHOT}\n{RAIN}"
    seen, wanted = [], loaded(text)
    nlp = make_nlp(sentencizer=False)
    component = nlp.get_pipe("joint_ner_re")
    predict = component.predictor.predict_sentences
    component.predictor.predict_sentences = lambda s: seen.append(len(s)) or predict(s)
    doc = nlp(text)
    assert seen == [3]
    assert everything(doc) == everything(wanted)
    assert not doc.has_annotation("SENT_START")


def test_sentences_of_the_doc_come_first(make_nlp):
    nlp = make_nlp()
    sentencizer = nlp.get_pipe("sentencizer")
    sentencizer.punct_chars = {";"}
    seen = []
    component = nlp.get_pipe("joint_ner_re")
    component.predictor.predict_sentences = lambda s: seen.extend(x.tokens for x in s) or s
    nlp("One. Two; three.")
    assert seen == [("One", ".", "Two", ";"), ("three", ".")]


FIGURE = "See Fig. 2 for it. It rained."


def sentences_of(nlp, doc):
    """The tokens of each sentence that the component gives to the model."""
    seen = []
    nlp.get_pipe("joint_ner_re").predictor.predict_sentences = lambda s: (
        seen.extend(x.tokens for x in s) or s
    )
    nlp(doc)
    return [" ".join(tokens) for tokens in seen]


@pytest.mark.parametrize("rules, wanted", [
    ("punctuation", ["See Fig .", "2 for it .", "It rained ."]),
    ("abbreviations", ["See Fig . 2 for it .", "It rained ."]),
])  # fmt: skip
def test_the_rules_are_the_models(make_nlp, monkeypatch, rules, wanted):
    from joint_ner_re.tokenization import TextTokenizer

    nlp = make_nlp(sentencizer=False)
    predictor = nlp.get_pipe("joint_ner_re").predictor
    tokenizer = TextTokenizer("en", sentence_rules=rules)
    monkeypatch.setattr(type(predictor), "text_tokenizer", tokenizer)
    # The period is a token of its own, as in the sentences of many corpora.
    words = ["See", "Fig", ".", "2", "for", "it", ".", "It", "rained", "."]
    spaces = [True, False, True, True, True, False, True, True, False, False]
    assert Doc(nlp.vocab, words=words, spaces=spaces).text == FIGURE
    assert sentences_of(nlp, Doc(nlp.vocab, words=words, spaces=spaces)) == wanted
    # Boundaries that the Doc has are used, whatever the rules say.
    cut = Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=[i in (0, 3) for i in range(10)])
    assert sentences_of(nlp, cut) == ["See Fig .", "2 for it . It rained ."]


def test_a_sentence_that_begins_inside_a_token_begins_with_the_next(make_nlp):
    nlp = make_nlp(sentencizer=False)
    # The model splits "left." before the period and "rained.It" around it.
    doc = Doc(nlp.vocab, words=["Ada", "left.", "It", "rained.It", "snowed", "."])
    assert sentences_of(nlp, doc) == ["Ada left.", "It rained.It", "snowed ."]
    assert sentences_of(nlp, Doc(nlp.vocab, words=["\n", "Ada"])) == ["Ada"]
    assert sentences_of(nlp, Doc(nlp.vocab, words=["\n"])) == []
    assert sentences_of(nlp, Doc(nlp.vocab)) == []


# Batches, processes, errors


def spied(component, monkeypatch):
    calls = []
    predict = component.predictor.predict_sentences
    monkeypatch.setattr(
        component.predictor,
        "predict_sentences",
        lambda sentences: calls.append(len(sentences)) or predict(sentences),
    )
    return calls


@pytest.mark.parametrize(
    ("of_component", "of_pipe", "expected"),
    [(128, 1000, [14]), (4, 1000, [8, 6]), (128, 3, [6, 6, 2]), (2, 3, [4, 4, 4, 2])],
)
def test_batches(make_nlp, monkeypatch, of_component, of_pipe, expected):
    nlp = make_nlp(batch_size=of_component)
    calls = spied(nlp.get_pipe("joint_ner_re"), monkeypatch)
    docs = list(nlp.pipe([f"{SHOT} {HARBOR}"] * 7, batch_size=of_pipe))
    assert calls == expected
    assert [relations(doc) for doc in docs] == [[KILL, LOCATED]] * 7


def test_pipe_keeps_order_and_context(loaded):
    inputs = [(text, number) for number, text in enumerate([SHOT, "", HARBOR, RAIN, SHOT])]
    outputs = list(loaded.pipe(inputs, as_tuples=True, batch_size=2))
    assert [(doc.text, number) for doc, number in outputs] == inputs
    assert [relations(doc) for doc, _ in outputs] == [[KILL], [], [LOCATED], [], [KILL]]


def test_two_processes(make_nlp):
    texts = [HARBOR, SHOT, "", RAIN] * 3
    nlp = make_nlp()
    component = nlp.get_pipe("joint_ner_re")
    before = [everything(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
    assert component._predictor is None, "the workers load the model, not this process"
    here = [everything(doc) for doc in nlp.pipe(texts, batch_size=2)]
    assert component._predictor is not None
    after = [everything(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
    assert before == here == after
    assert [len(one[3]) for one in here] == [1, 1, 0, 0] * 3


def test_a_pickled_component_leaves_its_model_behind(loaded):
    loaded(SHOT)
    component = loaded.get_pipe("joint_ner_re")
    restored = pickle.loads(pickle.dumps(component))
    assert component._predictor is not None and restored._predictor is None
    doc = loaded.make_doc(SHOT)
    doc[0].is_sent_start = True
    for token in doc[1:]:
        token.is_sent_start = False
    assert relations(restored(doc)) == [KILL]


def test_a_failing_doc_leaves_the_others_alone(make_nlp):
    nlp = make_nlp(sentencizer=False, split_sentences=False)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((name, docs, str(error))))
    good = [loaded_doc(nlp, HARBOR), loaded_doc(nlp, SHOT)]
    bad = nlp.make_doc(RAIN)
    assert list(nlp.pipe([good[0], bad, good[1]])) == good
    assert [relations(doc) for doc in good] == [[LOCATED], [KILL]]
    ((name, docs, message),) = failed
    assert name == "joint_ner_re" and docs == [bad] and "without sentence boundaries" in message


def loaded_doc(nlp, text):
    """A Doc of one sentence."""
    doc = nlp.make_doc(text)
    for token in doc:
        token.is_sent_start = token.i == 0
    return doc


def test_what_fails_in_the_model_goes_to_the_handler(make_nlp, monkeypatch):
    nlp = make_nlp()
    component = nlp.get_pipe("joint_ner_re")
    predict = component.predictor.predict_sentences

    def fail_in_the_rain(sentences):
        if any("rained" in sentence.tokens for sentence in sentences):
            raise RuntimeError("wet")
        return predict(sentences)

    monkeypatch.setattr(component.predictor, "predict_sentences", fail_in_the_rain)
    with pytest.raises(RuntimeError, match="wet"):
        list(nlp.pipe([RAIN]))
    with pytest.raises(RuntimeError, match="wet"):
        nlp(RAIN)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((proc, docs, str(error))))
    # They are one batch.
    docs = list(nlp.pipe([HARBOR, RAIN, SHOT]))
    assert [relations(doc) for doc in docs] == [[LOCATED], [KILL]]
    ((proc, docs, message),) = failed
    assert proc is component and [doc.text for doc in docs] == [RAIN] and message == "wet"


def test_where_memory_ends_the_batch_is_halved(make_nlp, monkeypatch):
    nlp = make_nlp()
    component = nlp.get_pipe("joint_ner_re")
    predict = component.predictor.predict_sentences
    sizes = []

    def for_two(sentences):
        sizes.append(len(sentences))
        if len(sentences) > 2:
            raise MemoryError
        return predict(sentences)

    monkeypatch.setattr(component.predictor, "predict_sentences", for_two)
    docs = list(nlp.pipe([HARBOR, RAIN, SHOT, RAIN, HARBOR]))
    assert [doc.text for doc in docs] == [HARBOR, RAIN, SHOT, RAIN, HARBOR]
    assert [relations(doc) for doc in docs] == [[LOCATED], [], [KILL], [], [LOCATED]]
    assert sizes == [5, 2, 3, 1, 2]


def test_a_missing_model_is_an_error_whatever_the_handler_does(make_nlp, tmp_path):
    for config, message in (
        ({"archive": None}, r"the component 'joint_ner_re' has no model.*'archive'"),
        ({"archive": str(tmp_path / "no.tar.gz")}, r"no\.tar\.gz"),
    ):
        nlp = make_nlp(**config)
        nlp.set_error_handler(lambda *_: None)
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            list(nlp.pipe([SHOT]))


def test_an_archive_of_another_model_is_refused(monkeypatch):
    from joint_ner_re import archives

    other = SimpleNamespace(model=object(), config=None)
    monkeypatch.setattr(archives, "load_archive", lambda *_, **__: other)
    with pytest.raises(ValueError, match="other.tar.gz holds a object; expected a JointModel"):
        load_predictor("other.tar.gz")


def test_the_device_is_passed_on(archive, monkeypatch):
    from joint_ner_re import archives

    devices = []
    load = archives.load_archive

    def spy(path, cuda_device):
        devices.append(cuda_device)
        return load(path, cuda_device=-1)

    monkeypatch.setattr(archives, "load_archive", spy)
    assert JointComponent(archive=archive, cuda_device=3).predictor is not None
    assert JointComponent(archive=archive).predictor is not None
    assert devices == [3, -1]


def test_impossible_settings_are_errors(make_nlp):
    with pytest.raises(ValueError, match="batch_size is 0; expected 1 or more"):
        make_nlp(batch_size=0)
    with pytest.raises(ValueError, match="keep_entities"):
        make_nlp(keep_entities="perhaps")
    with pytest.raises(ValueError, match="no_such_setting"):
        make_nlp(no_such_setting=1)


# Saving


def test_the_archive_is_saved_with_the_pipeline(archive, tmp_path):
    moving = tmp_path / "moving.tar.gz"
    shutil.copy(archive, moving)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", name="facts", config={"archive": str(moving), "batch_size": 5})
    nlp.to_disk(tmp_path / "pipeline")
    moving.unlink()
    restored = spacy.load(tmp_path / "pipeline")
    assert restored.get_pipe("facts").batch_size == 5
    assert relations(restored(SHOT)) == [KILL]
    # Onto itself and onwards, also after the model was used.
    restored.to_disk(tmp_path / "pipeline")
    restored.to_disk(tmp_path / "second")
    shutil.rmtree(tmp_path / "pipeline")
    assert relations(spacy.load(tmp_path / "second")(SHOT)) == [KILL]


def test_the_archive_goes_into_bytes(archive, tmp_path):
    moving = tmp_path / "moving.tar.gz"
    shutil.copy(archive, moving)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": str(moving)})
    content = nlp.to_bytes()
    moving.unlink()
    restored = spacy.blank("en")
    restored.add_pipe("sentencizer")
    restored.add_pipe("joint_ner_re")
    restored.from_bytes(content)
    assert relations(restored(SHOT)) == [KILL]
    restored.to_disk(tmp_path / "pipeline")
    assert (tmp_path / "pipeline/joint_ner_re/model.tar.gz").read_bytes() == Path(
        archive
    ).read_bytes()


def test_the_working_directory_may_change_before_the_model_is_read(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(archive, "model.tar.gz")
    given = JointComponent(archive="model.tar.gz")
    given.to_disk("component")
    restored = JointComponent().from_disk("component")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert given.predictor is not None and restored.predictor is not None


def test_a_component_can_be_filled_later(archive, tmp_path):
    JointComponent(archive=archive).to_disk(tmp_path / "component")
    empty = JointComponent()
    with pytest.raises(ValueError, match="has no model"):
        empty.to_disk(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no model.tar.gz in .*empty"):
        empty.from_disk(tmp_path / "empty")
    assert empty.from_disk(tmp_path / "component").predictor is not None


def test_a_component_in_use_can_take_another_model(archive, tiny_archive, tmp_path):
    JointComponent(archive=str(tiny_archive)).to_disk(tmp_path)
    component = JointComponent(archive=archive)
    seen = [component.predictor]
    seen.append(component.from_bytes(Path(archive).read_bytes()).predictor)
    seen.append(component.from_disk(tmp_path).predictor)
    assert len(set(map(id, seen))) == 3
    assert component.to_bytes() == tiny_archive.read_bytes() != Path(archive).read_bytes()


# Scores


def gold_examples(nlp):
    examples = []
    for sentence in read_corpus(CORPUS):
        gold = Doc(nlp.vocab, words=sentence.tokens)
        set_annotations(gold, [sentence])
        examples.append(Example(Doc(nlp.vocab, words=sentence.tokens), gold))
    return examples


def test_scores_of_a_corpus_known_by_heart(loaded):
    scores = loaded.evaluate(gold_examples(loaded))
    supports = scores["joint_per_type"]["entity"]
    corpus = list(read_corpus(CORPUS))
    assert sum(x["support"] for x in supports.values()) == sum(len(s.entities) for s in corpus)
    assert scores["joint_entity_f1"] == scores["joint_relation_f1"] == 1
    assert scores["joint_mean_f1"] == scores["joint_relation_macro_f1"] == 1


def by_hand(nlp, text, spans, found_relations):
    doc = nlp.make_doc(text)
    doc.ents = [
        doc.char_span(text.index(word), text.index(word) + len(word), label)
        for word, label in spans
    ]
    doc._.relations = found_relations
    return Example(nlp.make_doc(text), doc)


def test_scores_against_gold_by_hand(loaded):
    # The model finds Lisgard, Tarnia, Jon Pell, Mayor Iva Sund and May 3, and two relations.
    examples = [
        # Of these, one entity has another type, so its relation is wrong as well.
        by_hand(
            loaded,
            HARBOR,
            [("Lisgard", "Loc"), ("Tarnia", "Org")],
            [{"type": "Located_In", "head": 0, "tail": 1}],
        ),
        # One entity is not gold, and there is a relation more.
        by_hand(
            loaded,
            SHOT,
            SHOT_ENTITIES[:2],
            [{"type": "Kill", "head": 0, "tail": 1}, {"type": "Work_For", "head": 1, "tail": 0}],
        ),
    ]
    scores = loaded.evaluate(examples)
    # 3 of 5 predicted and of 4 gold entities; 1 of 2 predicted and of 3 gold relations.
    assert scores["joint_entity_precision"] == pytest.approx(3 / 5)
    assert scores["joint_entity_recall"] == pytest.approx(3 / 4)
    assert scores["joint_relation_precision"] == pytest.approx(1 / 2)
    assert scores["joint_relation_recall"] == pytest.approx(1 / 3)


def test_the_direction_of_a_relation_counts(loaded):
    gold = by_hand(loaded, SHOT, SHOT_ENTITIES, [{"type": "Kill", "head": 1, "tail": 0}])
    assert loaded.evaluate([gold])["joint_relation_f1"] == 0


def test_gold_may_have_other_tokens(loaded):
    gold = Doc(loaded.vocab, words=["Witnesses", "said", "Jon Pell", "shot", "Mayor Iva", "Sund"])
    gold.ents = [Span(gold, 2, 3, label="Peop"), Span(gold, 4, 6, label="Peop")]
    gold._.relations = [{"type": "Kill", "head": 0, "tail": 1}]
    predicted = loaded.make_doc(gold.text)
    set_annotations(
        predicted,
        [
            Sentence(
                [token.text for token in predicted],
                [Entity("Peop", 2, 4), Entity("Peop", 5, 8)],
                [Relation("Kill", 0, 1)],
            )
        ],
    )
    scores = loaded.get_pipe("joint_ner_re").score([Example(predicted, gold)])
    assert scores["joint_entity_f1"] == scores["joint_relation_f1"] == 1


def test_docs_without_gold_are_passed_over(loaded):
    bare = Example(loaded.make_doc(HARBOR), loaded.make_doc(HARBOR))
    scores = loaded.evaluate([bare])
    assert scores["joint_entity_f1"] is None and scores["joint_per_type"] is None
    known = by_hand(loaded, SHOT, SHOT_ENTITIES, [{"type": "Kill", "head": 0, "tail": 1}])
    assert loaded.evaluate([known, bare])["joint_mean_f1"] == 1
    nothing = by_hand(loaded, HARBOR, [], [])
    assert loaded.evaluate([known, nothing])["joint_entity_precision"] == pytest.approx(3 / 5)


def test_examples_of_two_texts_are_an_error(loaded):
    example = Example(loaded.make_doc(SHOT.lower()), loaded(SHOT))
    with pytest.raises(ValueError, match="expected the same text"):
        loaded.get_pipe("joint_ner_re").score([example])


# Docs and sentences


def test_from_doc_to_sentence_and_back(loaded):
    words = ["Ada", " ", "met", "Bo", "."]
    sentence = Sentence(
        ["Ada", "met", "Bo", "."],
        [Entity("Peop", 0, 1, 0.5), Entity("Peop", 2, 3), Entity("Other", 1, 4, 0.25)],
        [Relation("Kill", 1, 0, 0.75), Relation("Live_In", 0, 2)],
        text="Ada  met Bo.",
        offsets=[(0, 3), (5, 8), (9, 11), (11, 12)],
    )
    doc = Doc(loaded.vocab, words=words, spaces=[True, False, True, False, False])
    set_annotations(doc, [sentence])
    assert doc_to_sentence(doc) == sentence
    assert entities(doc) == [("Ada", "Peop"), ("met Bo.", "Other")], (
        "the longest of those that overlap"
    )
    assert [s._.joint_score for s in doc.ents] == [0.5, 0.25]


def test_a_sentence_of_a_doc(loaded):
    doc = loaded(f"{HARBOR} {SHOT}")
    harbor, shot = (doc_to_sentence(sentence) for sentence in doc.sents)
    assert shot.text == SHOT
    assert [(shot.surface(e), e.type) for e in shot.entities] == SHOT_ENTITIES
    assert [(r.type, r.head, r.tail) for r in shot.relations] == [("Kill", 0, 1)]
    assert [shot.text[b:e] for b, e in shot.offsets] == list(shot.tokens)
    assert [(harbor.surface(e), e.type) for e in harbor.entities] == HARBOR_ENTITIES
    # Half an entity is none, and takes its relation along.
    half = doc_to_sentence(doc[len(harbor.tokens) + 3 :])
    assert [half.surface(e) for e in half.entities] == ["Mayor Iva Sund", "May 3"]
    assert half.relations == ()


def test_docs_make_a_corpus(loaded, tmp_path):
    docs = list(loaded.pipe([SHOT, HARBOR]))
    write_corpus(map(doc_to_sentence, docs), tmp_path / "out.jsonl", "jsonl")
    assert list(read_corpus(tmp_path / "out.jsonl")) == [doc_to_sentence(doc) for doc in docs]


def test_a_docs_sentences_one_by_one(loaded):
    doc = loaded.make_doc(f"{HARBOR} {SHOT}")
    wanted = loaded(doc.text)
    set_annotations(doc, [doc_to_sentence(sentence) for sentence in wanted.sents])
    assert everything(doc) == everything(wanted)


def test_sentences_of_another_doc_are_refused(loaded):
    doc = loaded.make_doc("One two.")
    for tokens in (["One", "two"], ["One", "two", "!"], ["One", "two", ".", "three"]):
        with pytest.raises(ValueError, match="the Doc has 3, first .*expected the same tokens"):
            set_annotations(doc, [Sentence(tokens)])


def test_relations_that_refer_to_nothing_are_errors(loaded):
    doc = loaded.make_doc(SHOT)
    doc._.relations = [{"type": "Kill", "head": 0, "tail": 1}]
    for read in (resolve_relations, doc_to_sentence):
        with pytest.raises(SentenceError, match="head 0; expected an index into .* 0 entities"):
            read(doc)
    doc._.joint_entities = [{"type": "Peop", "char_start": 0, "char_end": 99}] * 2
    with pytest.raises(SentenceError, match=f"0 to 99; expected .* <= {len(SHOT)}"):
        resolve_relations(doc)


# Names


@pytest.fixture
def free_names():
    """Takes our attributes away and gives them back, whatever has been put in their place."""
    mine = [(Doc, "joint_entities"), (Doc, "relations"), (Span, "joint_score")]
    register_extensions()
    for owner, name in mine:
        owner.remove_extension(name)
    yield
    for owner, name in mine:
        if owner.has_extension(name):
            owner.remove_extension(name)
    register_extensions()


def test_making_a_component_registers_its_attributes(free_names):
    assert not Doc.has_extension("relations")
    JointComponent()
    doc = Doc(Vocab(), words=["a"])
    assert doc._.relations == [] and doc._.joint_entities is None
    assert doc[0:1]._.joint_score is None
    JointComponent()


def test_an_attribute_of_the_same_kind_is_left_as_it_is(free_names):
    Doc.set_extension("relations", default=None)
    JointComponent()
    doc = Doc(Vocab(), words=["a"])
    assert doc._.relations is None
    assert resolve_relations(doc) == []


@pytest.mark.parametrize("kind", ["getter", "method"])
def test_an_attribute_that_cannot_be_set_is_an_error(free_names, kind):
    Doc.set_extension("relations", **{kind: lambda doc: "theirs"})
    with pytest.raises(ValueError, match=r"remove_extension\('relations'\)"):
        JointComponent()
    assert Doc.has_extension("relations"), "it is not ours to take away"


# In a process of its own


def run(code, *arguments, directory):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("it took more than two minutes")
    assert process.returncode == 0, errors
    return output


THREADS = """
import multiprocessing, sys
import spacy, torch
import joint_ner_re.spacy_component

multiprocessing.set_start_method("fork")
torch.set_num_threads(2)
torch.relu(torch.zeros(1000000)).sum()
nlp = spacy.blank("en")
nlp.add_pipe("sentencizer")
nlp.add_pipe("joint_ner_re", config={"archive": sys.argv[1]})
texts = [" ".join([sys.argv[2]] * 60)] * 4
for processes in (1, 2):
    docs = nlp.pipe(texts, n_process=processes, batch_size=2)
    print([len(doc._.relations) for doc in docs])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork with")
def test_workers_do_not_wait_for_threads_of_the_parent(archive, tmp_path):
    """OpenMP's threads are gone after a fork: a worker that needs them would never end."""
    expected = f"{[60] * 4}\n" * 2
    assert printed("-c", THREADS, archive, SHOT, directory=tmp_path) == expected


LIGHT = """
sys.path.insert(0, sys.argv[1])
import joint_ner_re_spacy
from spacy.tokens import Doc
print(Doc.has_extension("relations"))

import spacy
nlp = spacy.blank("en")
nlp.add_pipe("joint_ner_re", config={"archive": "model.tar.gz"})
print(Doc.has_extension("relations"))
try:
    nlp("One.")
except ImportError as error:
    print(error)
"""


def test_the_module_needs_neither_torch_nor_allennlp(tmp_path):
    """Until a model does. spaCy itself imports torch where there is one, so torch is hidden."""
    (tmp_path / "model.tar.gz").touch()
    output = run(without(*LARGE) + LIGHT, ROOT, directory=tmp_path).splitlines()
    assert output[:2] == ["False", "True"]
    assert output[2].startswith("training and model archives need AllenNLP, which is not installed")
    assert output[-1] == "  pip install --no-deps allennlp==2.10.1"


INSTALLED = """
import sys, spacy
nlp = spacy.blank("en")
nlp.add_pipe("sentencizer")
nlp.add_pipe("joint_ner_re", config={"archive": sys.argv[1]})
doc = nlp(sys.argv[2])
print([(span.text, span.label_) for span in doc.ents], [r["type"] for r in doc._.relations])
"""


def distribution():
    try:
        return metadata.distribution("joint_ner_re")
    except metadata.PackageNotFoundError:
        return None


@pytest.mark.skipif(distribution() is None, reason="the package joint_ner_re is not installed")
def test_spacy_finds_the_component_without_an_import(archive, tmp_path):
    points = {p.name: p for p in distribution().entry_points if p.group == "spacy_factories"}
    assert "joint_ner_re" in points, "installed before the entry point was: pip install -e ."
    assert points["joint_ner_re"].load() is joint_ner_re_spacy.make_joint_component
    found = printed("-c", INSTALLED, archive, SHOT, directory=tmp_path)
    assert found == f"{SHOT_ENTITIES} ['Kill']\n"


UNUSED = """
import spacy
nlp = spacy.blank("en")
nlp.add_pipe("sentencizer")
print(len(nlp("Nobody asked. For anything.")))
print([name for name in ("allennlp", "joint_ner_re") if name in sys.modules])
"""


@pytest.mark.skipif(distribution() is None, reason="the package joint_ner_re is not installed")
def test_a_pipeline_without_the_component_does_not_import_it(tmp_path):
    """AllenNLP takes seconds to import. torch, which spaCy itself imports, is left out."""
    output = run(without("torch") + UNUSED, directory=tmp_path)
    assert output.splitlines() == ["6", "[]"]


# The fine tokenizer

FINE = "An azithromycin-induced rash (0.5 mg/kg) in the U.S., i.e. rare."
FINE_TOKENS = [
    "An", "azithromycin", "-", "induced", "rash", "(", "0.5", "mg", "/", "kg", ")", "in", "the",
    "U.S.", ",", "i.e.", "rare", ".",
]  # fmt: skip


def new_fine_pipeline():
    return spacy.blank("en", config={"nlp": {"tokenizer": {"@tokenizers": "joint_ner_re.fine.v1"}}})


@pytest.mark.skipif(distribution() is None, reason="the package joint_ner_re is not installed")
def test_a_pipeline_can_have_the_tokens_that_models_for_ade_expect(tmp_path):
    nlp = new_fine_pipeline()
    assert [token.text for token in nlp(FINE)] == FINE_TOKENS
    (offsets,) = TextTokenizer("en", "fine").tokenize([FINE])
    assert [(t.idx, t.idx + len(t)) for t in nlp(FINE)] == offsets
    nlp.to_disk(tmp_path / "pipeline")
    stored = spacy.load(tmp_path / "pipeline")
    again = new_fine_pipeline().from_bytes(nlp.to_bytes())
    assert [t.text for t in stored(FINE)] == [t.text for t in again(FINE)] == FINE_TOKENS
    docs = nlp.pipe([FINE] * 6, n_process=2, batch_size=2)
    assert [[token.text for token in doc] for doc in docs] == [FINE_TOKENS] * 6


def test_the_fine_tokenizer_can_be_pickled():
    tokenizer = FineTokenizer.of(spacy.blank("en"))
    assert [t.text for t in pickle.loads(pickle.dumps(tokenizer))(FINE)] == FINE_TOKENS


# The documentation


def test_the_documentation_runs(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(archive, "model.tar.gz")
    shutil.copy(CORPUS, "dev.json")
    text = (ROOT / "docs/spacy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == text.count("```") / 2 == 9
    names = {}
    for block in blocks:
        exec(compile(block, "docs/spacy.md", "exec"), names)
    printed = capsys.readouterr().out
    for head, relation, tail in (LOCATED, KILL):
        assert re.search(rf"^{head} {relation} {tail} [01]\.\d+$", printed, re.MULTILINE)
    for entity, label in HARBOR_ENTITIES + SHOT_ENTITIES:
        assert re.search(rf"^{entity} {label} [01]\.\d+$", printed, re.MULTILINE)
    assert "'char_start': 14, 'char_end': 21" in printed and "'head': 0, 'tail': 1" in printed
    assert printed.splitlines()[-1] == "1.0 1.0"
    assert relations(names["gold"]) == [KILL]
    assert [len(s.entities) for s in read_corpus("corrected.jsonl")] == [3, 0]


def test_the_documentation_knows_every_setting():
    text = (ROOT / "docs/spacy.md").read_text(encoding="utf-8")
    meta = spacy.blank("en").get_factory_meta("joint_ner_re")
    for name, value in meta.default_config.items():
        shown = {None: "`null`", True: "`true`", False: "`false`"}.get(value, str(value))
        assert f"| `{name}` | {shown} |" in text


# Exported models


def pipeline_with(archive):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": str(archive)})
    return nlp


def without_scores(doc):
    return [
        [{**item, "score": 0} for item in items]
        for items in (doc._.joint_entities, doc._.relations)
    ]


def test_an_exported_model_annotates_as_its_archive(tiny_archive, tiny_exported, tmp_path):
    texts = ["Ada Marek lives in Kesh. It rained.", "Oleg Hart joined the Navy."]
    expected = [without_scores(doc) for doc in pipeline_with(tiny_archive).pipe(texts)]
    assert any(entities for entities, _ in expected)
    nlp = pipeline_with(tiny_exported)
    nlp.to_disk(tmp_path / "nlp")
    stored = spacy.load(tmp_path / "nlp")
    # Over what lies there, and a second time over itself.
    nlp.to_disk(tmp_path / "nlp")
    stored.to_disk(tmp_path / "nlp")
    in_memory = spacy.blank("en")
    in_memory.add_pipe("sentencizer")
    in_memory.add_pipe("joint_ner_re")
    in_memory.from_bytes(nlp.to_bytes())
    for one in (nlp, stored, in_memory):
        assert [without_scores(doc) for doc in one.pipe(texts)] == expected
    # A model that is loaded already, in processes that are forked.
    found = [without_scores(doc) for doc in nlp.pipe(texts * 2, n_process=2, batch_size=1)]
    assert found == expected * 2


def test_a_pipeline_that_is_stored_again_has_one_model(tiny_archive, tiny_exported, tmp_path):
    for archive, name in (
        (tiny_archive, "model.tar.gz"),
        (tiny_exported, "model"),
        (tiny_archive, "model.tar.gz"),
    ):
        pipeline_with(archive).to_disk(tmp_path)
        assert [path.name for path in (tmp_path / "joint_ner_re").iterdir()] == [name]
