"""An exported model gives the answers of the archive that it was made of."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re import documents
from joint_ner_re.runtime import features, pieces, predictor, relations
from joint_ner_re.sentence import Sentence

TEXTS = [
    "Ada Marek lives in Kesh.",
    "Oleg Hart joined the Navy in 1961 and moved to Lisgard, Tarnia. It rained! Kesh",
    "",
    "Kesh",
    " \n ",
    "Witnesses said Jon Pell shot Mayor Iva Sund on May 3.",
    "Zoe\u0308 met \N{GRINNING FACE} at the Bank of Tarnia, which Karl Vik guards by night.",
    "x" * 700 + " left Kesh.",
]
# Not longer: an untrained model finds an entity in every word, and there is a limit to relations.
WORDS = ["Ada", "Marek", "of", "Kesh", ",", "said", "1961", "in", "the", "Navy"]
LONG = " ".join(random.Random(4).choices(WORDS, k=60))
# Rounding to six digits can move a score by 1e-6 besides.
TOLERANCE = 1e-4


def assert_same(found, expected):
    """The same records but for rounding of scores. Returns how many scores there were."""
    count = 0
    for one, other in zip(found, expected, strict=True):
        scores = [
            [item.pop("score") for name in ("entities", "relations") for item in record[name]]
            for record in (one, other)
        ]
        assert one == other
        assert scores[0] == pytest.approx(scores[1], abs=TOLERANCE)
        count += len(scores[0])
    return count


VARIANTS = {
    "lstm": {},
    "gru": {
        **{f"model.encoder.{name}.cell": "gru" for name in ("shared", "ner", "relation")},
        "model.text_field_embedder.token_embedders.token_characters.cell": "gru",
    },
    "no layers": {f"model.encoder.{name}.num_layers": 0 for name in ("shared", "ner", "relation")},
    "several layers": {
        "model.encoder.shared.num_layers": 2,
        "model.encoder.ner.num_layers": 0,
        "model.encoder.relation.num_layers": 3,
    },
    "bio": {"model.entity_finder.tag_scheme": "BIO"},
    "gazetteer": {
        "vocabulary": {"type": "gazetteer"},
        "dataset_reader.token_indexers.known": {"type": "gazetteer"},
        "model.text_field_embedder.token_embedders.known": {"type": "gazetteer"},
    },
    "three levels": {"model.entity_finder.tag_levels": 3},
    "pair layer": {"model.relation_scorer.pair_layer": {"hidden_size": 4}},
    "no hidden layer of tags, no tag embedding": {
        "model.entity_finder.scorer.hidden_size": 0,
        "model.relation_scorer.tag_embedding_size": 0,
        "model.relation_scorer.activation": "leaky_relu",
    },
    "units of two sentences": {
        "dataset_reader.unit": 2,
        "dataset_reader.symmetric": ["Kill", "Live_In"],
    },
    "a threshold for each type": {
        "model.relation_threshold": {
            name: 0.2 * number
            for number, name in enumerate(
                ["Live_In", "Work_For", "Located_In", "OrgBased_In", "Kill"]
            )
        },
        "model.relation_scorer.pair_layer": {"hidden_size": 4},
    },
}


def livelier(model):
    """An untrained model finds hardly anything on the upper levels of tags."""
    for level in model.entity_finder.levels[1:]:
        level.scorer.output.bias.data.zero_()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_model(both, variant):
    archive, exported = both(VARIANTS[variant], livelier)
    inputs = [{"text": text} for text in [*TEXTS, LONG]]
    expected = archive.predict_batch_json(inputs)
    assert assert_same(exported.predict_batch_json(inputs), expected) > 100
    if variant == "three levels":
        assert any(Sentence.from_json(record).overlapping() for record in expected)


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet"])
def test_every_encoder_in_windows(both, request, kind):
    directory = str(request.getfixturevalue(f"{kind}_directory"))
    archive, exported = both(
        {
            "dataset_reader.token_indexers.contextual": {
                "type": "word_pieces", "model_name": directory,
            },
            "model.text_field_embedder.token_embedders.contextual": {
                "type": "transformer", "model_name": directory, "layers": [0, -1],
            },
        }
    )  # fmt: skip
    assert exported.model.manifest.features[1]["window"] < 70
    inputs = [{"text": text} for text in [*TEXTS, LONG, "\u200b lithium \u2603 caused bbb"]]
    assert (
        assert_same(exported.predict_batch_json(inputs), archive.predict_batch_json(inputs)) > 100
    )
    weird = [{"tokens": ["\u200b", "", "a b", "lithium", " "]}, {"tokens": ["", ""]}]
    assert assert_same(exported.predict_batch_json(weird), archive.predict_batch_json(weird)) > 2


@pytest.fixture(scope="module")
def alone(tiny):
    """The PyTorch path's answer to each text when nothing else is predicted with it."""
    found = {text: tiny[0].predict_json({"text": text}) for text in TEXTS}
    assert sum(len(record["relations"]) for record in found.values()) > 20
    return found


def copied(record):
    return {
        **record, **{n: [dict(item) for item in record[n]] for n in ("entities", "relations")},
    }  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(TEXTS),
    size=st.integers(1, len(TEXTS)),
    tokens=st.sampled_from([1, 10, 2048]),
    numbers=st.sampled_from([1, 200, 4_000_000]),
    threads=st.sampled_from([1, 3]),
)
def test_batches_of_any_make_up(tiny, alone, order, size, tokens, numbers, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "MAX_BATCH_TOKENS", tokens)
        patch.setattr(relations, "MAX_NUMBERS", numbers)
        patch.setattr(tiny[1], "threads", threads)
        for start in range(0, len(order), size):
            some = order[start : start + size]
            found = tiny[1].predict_batch_json([{"text": text} for text in some])
            assert_same(found, [copied(alone[text]) for text in some])


def test_words_are_encoded_again_where_there_is_no_room(tiny, alone, monkeypatch):
    monkeypatch.setattr(features, "MAX_KNOWN_WORDS", 5)
    monkeypatch.setattr(features, "MAX_WORDS_AT_ONCE", 2)
    for text in (*TEXTS, *TEXTS):
        assert_same([tiny[1].predict_batch_json([{"text": text}])[0]], [copied(alone[text])])


def test_sentences_tokens_ids_and_other_keys(tiny):
    inputs = [
        {"sentence": "Ada left Kesh. It rained.", "id": 7, "ward": 3},
        {"tokens": ["Ada", "left", "Kesh", "."], "id": "a"},
        {"tokens": ["Ada", "left"], "text": "Ada  left", "offsets": [[0, 3], [5, 9]]},
        {"tokens": []},
    ]
    found = tiny[1].predict_batch_json(inputs)
    assert [record["id"] for record in found] == ["7", "a", "", ""]
    assert assert_same(found, tiny[0].predict_batch_json(inputs)) > 10


def test_a_sentence_that_is_predicted_in_parts(tiny, monkeypatch):
    monkeypatch.setattr(documents, "MAX_CHUNK_TOKENS", 7)
    inputs = [{"sentence": TEXTS[1]}]
    assert assert_same(tiny[1].predict_batch_json(inputs), tiny[0].predict_batch_json(inputs)) > 5


def test_only_the_most_probable_relations(both, caplog):
    archive, exported = both({"model.most_relations": 3})
    inputs = [{"sentence": text} for text in TEXTS]
    found = exported.predict_batch_json(inputs)
    assert max(len(record["relations"]) for record in found) == 3
    assert_same(found, archive.predict_batch_json(inputs))
    dropped = {
        name: sum(record.args[0] for record in caplog.records if record.name == name)
        for name in ("joint_ner_re.runtime.relations", "joint_ner_re.models.relation_choice")
    }
    assert len(set(dropped.values())) == 1 and min(dropped.values()) > 100


def test_relations_between_given_entities(tiny):
    given = [
        {"type": "Loc", "char_start": 19, "char_end": 23},
        {"type": "Peop", "char_start": 0, "char_end": 9},
        {"type": "Org", "char_start": 4, "char_end": 7},
    ]
    inputs = [({"text": TEXTS[0]}, given), ({"text": TEXTS[1]}, []), ({"text": ""}, [])]
    found = tiny[1].relate_json(inputs)
    assert [e["text"] for e in found[0]["entities"]] == ["Kesh", "Ada Marek", "Marek"]
    assert len(found[0]["relations"]) == 6 * len(tiny[1].model.manifest.relation_types)
    assert assert_same(found, tiny[0].relate_json(inputs)) == 3 + len(found[0]["relations"])


@pytest.mark.parametrize("numbers", [1, 4_000_000])
def test_relations_between_the_types_of_the_training_data(both, monkeypatch, numbers):
    monkeypatch.setattr(relations, "MAX_NUMBERS", numbers)
    archive, exported = both(
        {"model.relation_arguments": "seen", "dataset_reader.symmetric": ["OrgBased_In"]}
    )
    inputs = [{"text": text} for text in [*TEXTS, LONG]]
    assert (
        assert_same(exported.predict_batch_json(inputs), archive.predict_batch_json(inputs)) > 100
    )
    given = [
        {"type": name, "start": place, "end": place + 1}
        for place, name in enumerate(["Loc", "Org", "Peop", "Other", "Loc"])
    ]
    tokens = {"tokens": ["Kesh", "Navy", "Ada", "May", "Lisgard"]}
    found = exported.relate_json([(tokens, given)])
    # What the fixture connects, from the entity that stands first where there is no direction.
    assert {(r["type"], r["head"], r["tail"]) for r in found[0]["relations"]} == {
        ("Located_In", 0, 4), ("Located_In", 4, 0), ("OrgBased_In", 0, 1), ("OrgBased_In", 1, 4),
        ("Live_In", 2, 0), ("Live_In", 2, 4), ("Work_For", 2, 1),
    }  # fmt: skip
    assert assert_same(found, archive.relate_json([(tokens, given)])) == 5 + 7


@pytest.mark.parametrize("numbers", [1, 4_000_000])
@pytest.mark.parametrize("arguments", ["any", "seen"])
def test_relations_with_the_probability_of_the_whole(both, monkeypatch, numbers, arguments):
    monkeypatch.setattr(relations, "MAX_NUMBERS", numbers)
    archive, exported = both(
        {"model.relation_probability": "whole", "model.relation_arguments": arguments}
    )
    inputs = [{"text": text} for text in [*TEXTS, LONG]]
    found = exported.predict_batch_json(inputs)
    assert assert_same(found, archive.predict_batch_json(inputs)) > 100
    # Entities that are given are certain.
    given = [{"type": "Peop", "start": 0, "end": 1}, {"type": "Loc", "start": 1, "end": 2}]
    tokens = {"tokens": ["Ada", "Kesh"]}
    related = exported.relate_json([(tokens, given)])
    assert assert_same(related, archive.relate_json([(tokens, given)])) > 2


def test_no_relation_types(make, tmp_path):
    from joint_ner_re.exporting import export_predictor
    from joint_ner_re.predictors import JointPredictor
    from joint_ner_re.sentence import Entity

    corpus = [Sentence(["Ada", "left", "Kesh"], [Entity("Peop", 0, 1), Entity("Loc", 2, 3)])]
    one = make(corpus, {"dataset_reader.type": "joint_ner_re"})
    archive = JointPredictor(one.model, one.reader)
    export_predictor(archive, tmp_path / "model")
    exported = predictor.load_exported(tmp_path / "model")
    inputs = [{"text": text} for text in TEXTS]
    assert assert_same(exported.predict_batch_json(inputs), archive.predict_batch_json(inputs)) > 5


def test_windows_of_the_encoder_are_those_of_the_archive():
    from joint_ner_re.pretrained.embedder import _windows

    for size in (None, 2, 3, 7, 10):
        for length in range(40):
            assert pieces.windows_of(length, size) == _windows(length, size)


def test_windows_of_similar_length_are_read_together(monkeypatch):
    monkeypatch.setattr(pieces, "MAX_PIECES_AT_ONCE", 12)
    assert pieces.groups_of([2, 5, 20, 6, 1]) == [[2], [3, 1], [0, 4]]
    assert pieces.groups_of([]) == []
