import json
import sys
import threading
from collections import Counter
from itertools import permutations

import pytest
import torch
from allennlp.predictors import Predictor
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re import documents
from joint_ner_re.corpora import read_corpus
from joint_ner_re.predictors import JointPredictor, joint_predictor
from joint_ner_re.sentence import Sentence, SentenceError

DOCUMENT = "Ada Marek lives in Kesh.  She works for Brod Mining! Hart\nshot Pell in Lisgard."


@pytest.fixture(scope="module")
def predictor(tiny_archive):
    """The tiny model, made to predict a relation of every type for every ordered pair."""
    predictor = Predictor.from_path(str(tiny_archive), import_plugins=False)
    predictor._model.relation_threshold = 0.0
    return predictor


def checked(output):
    """The output, once all its positions and texts have been compared with one another."""
    text, tokens, offsets = output["text"], output["tokens"], output["offsets"]
    assert [text[begin:end] for begin, end in offsets] == tokens
    for entity in output["entities"]:
        assert entity["char_start"] == offsets[entity["start"]][0]
        assert entity["char_end"] == offsets[entity["end"] - 1][1]
        assert entity["text"] == text[entity["char_start"] : entity["char_end"]]
    if "sentences" in output:
        bounds = [0, *(end for _, end in output["sentences"])]
        assert output["sentences"] == [list(pair) for pair in zip(bounds, bounds[1:])]
        assert bounds[-1] == len(tokens)
        for entity in output["entities"]:
            around = [s for s in output["sentences"] if s[0] <= entity["start"] < s[1]]
            assert entity["end"] <= around[0][1]
    assert Sentence.from_json(output).tokens == tuple(tokens)
    return output


def sentence_of(output, position):
    return next(i for i, (a, b) in enumerate(output["sentences"]) if a <= position < b)


def without_scores(output):
    def strip(item):
        item.pop("score", None)
        return item

    return json.loads(json.dumps(output), object_hook=strip)


# Inputs


def test_it_is_the_default_predictor_of_the_archive(predictor):
    assert type(predictor) is JointPredictor


def test_a_document_is_split_into_sentences_and_keeps_its_offsets(predictor):
    output = checked(predictor.predict_json({"text": DOCUMENT}))
    assert output["text"] == DOCUMENT
    starts = [output["tokens"][start] for start, _ in output["sentences"]]
    assert starts == ["Ada", "She", "Hart"]
    assert len(output["entities"]) > 2


def test_relations_of_a_document_stay_within_a_sentence_and_point_at_its_entities(predictor):
    output = predictor.predict_json({"text": DOCUMENT})
    places = [sentence_of(output, entity["start"]) for entity in output["entities"]]
    assert len(set(places)) > 1
    pairs = {(r["head"], r["tail"]) for r in output["relations"]}
    indices = range(len(places))
    assert pairs == {(i, j) for i, j in permutations(indices, 2) if places[i] == places[j]}


def test_each_sentence_of_a_document_is_predicted_as_on_its_own(predictor):
    whole = predictor.predict_json({"text": DOCUMENT})
    for number, (start, end) in enumerate(whole["sentences"]):
        alone = predictor.predict_json({"tokens": whole["tokens"][start:end]})
        expected = [(e["type"], start + e["start"], start + e["end"]) for e in alone["entities"]]
        assert expected == [
            (e["type"], e["start"], e["end"])
            for e in whole["entities"]
            if sentence_of(whole, e["start"]) == number
        ]


def test_a_sentence_is_not_split_further(predictor):
    output = checked(predictor.predict_json({"sentence": DOCUMENT}))
    assert "sentences" not in output
    assert output["tokens"] == predictor.predict_json({"text": DOCUMENT})["tokens"]


def test_tokens_are_taken_as_they_are_and_joined_by_spaces(predictor):
    output = checked(predictor.predict_json({"tokens": ["Mr. Hart", "said", "no."]}))
    assert output["tokens"] == ["Mr. Hart", "said", "no."]
    assert output["text"] == "Mr. Hart said no."
    assert output["offsets"] == [[0, 8], [9, 13], [14, 17]]


def test_tokens_may_bring_their_text(predictor):
    record = {"tokens": ["Kesh", "fell"], "text": " Kesh  fell", "offsets": [[1, 5], [7, 11]]}
    output = checked(predictor.predict_json(record))
    assert (output["text"], output["offsets"]) == (record["text"], record["offsets"])


def test_all_kinds_of_input_agree(predictor):
    text = "Ada lives in Kesh ."
    outputs = [
        without_scores(checked(predictor.predict_json(record)))
        for record in ({"text": text}, {"sentence": text}, {"tokens": text.split()})
    ]
    assert outputs[0].pop("sentences") == [[0, 5]]
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0]["entities"]


def test_scores_are_probabilities(predictor):
    output = predictor.predict_json({"text": DOCUMENT})
    for item in output["entities"] + output["relations"]:
        assert 0 <= item["score"] <= 1


# id and meta


@pytest.mark.parametrize("given, expected", [("d1", "d1"), (7, "7"), (None, ""), ("", "")])
def test_the_id_is_carried_over(predictor, given, expected):
    assert predictor.predict_json({"text": "Kesh fell.", "id": given})["id"] == expected


def test_everything_else_is_carried_over_under_meta(predictor):
    output = predictor.predict_json({"text": "Kesh fell.", "url": "x", "year": [1, {"a": None}]})
    assert output["meta"] == {"url": "x", "year": [1, {"a": None}]}
    assert "meta" not in predictor.predict_json({"text": "Kesh fell.", "id": "x"})


def test_the_output_is_an_input_again_and_keeps_what_it_carries(predictor):
    first = predictor.predict_json({"sentence": "Ada lives in Kesh.", "id": "d", "url": "x"})
    assert first["entities"]
    second = predictor.predict_json(first)
    assert without_scores(second) == without_scores(first)


# Lines


@pytest.mark.parametrize(
    "line, record",
    [
        ("Ada lives in Kesh.\n", {"text": "Ada lives in Kesh."}),
        ("Ada lives in Kesh.\r\n", {"text": "Ada lives in Kesh."}),
        ("  indented", {"text": "  indented"}),
        ('{"text": "a", "id": 3}\n', {"text": "a", "id": 3}),
        (' {"tokens": ["a"]} \r\n', {"tokens": ["a"]}),
        ('["a", "b"]', {"text": '["a", "b"]'}),
        ('"quoted"', {"text": '"quoted"'}),
        ("a { b", {"text": "a { b"}),
        ('{"text": "\\ud83d\\ude00"}', {"text": "\N{GRINNING FACE}"}),
        ('\ufeff{"text": "a"}', {"text": "a"}),
        ("\ufeffKesh", {"text": "Kesh"}),
    ],
)
def test_a_line_is_plain_text_or_a_json_object(predictor, line, record):
    assert predictor.load_line(line) == record


@pytest.mark.parametrize("line", ['{"text": "a"', "{curly} text", '{"text": "a"} x', "{'text': 1}"])
def test_a_broken_json_object_is_an_error_that_shows_it(predictor, line):
    with pytest.raises(ValueError, match="not a JSON object") as error:
        predictor.load_line(line + "\n")
    assert repr(line) in str(error.value) and '{"text": ...}' in str(error.value)


@pytest.mark.parametrize("line", [r'{"text": "cut \ud83d"}', r'{"text": "a", "who": "\udc00"}'])
def test_half_a_character_is_an_error_before_anything_is_predicted(predictor, line):
    with pytest.raises(ValueError, match="half of a surrogate pair") as error:
        predictor.load_line(line)
    assert repr(line) in str(error.value)


def test_an_output_is_one_line_of_readable_json(predictor):
    line = predictor.dump_line({"text": "Zoë\n\N{GRINNING FACE}"})
    assert line == '{"text": "Zoë\\n\N{GRINNING FACE}"}\n'


def test_outputs_can_be_read_as_a_corpus(predictor, tmp_path):
    records = [
        {"text": DOCUMENT, "id": "doc", "url": "x"},
        {"sentence": "Zoë took \N{GRINNING FACE} in Kesh.", "id": "one"},
        {"tokens": ["Kesh", "fell"]},
        {"text": ""},
    ]
    outputs = predictor.predict_batch_json(records)
    path = tmp_path / "out.jsonl"
    path.write_text("".join(map(predictor.dump_line, outputs)), encoding="utf-8")
    read = list(read_corpus(path))
    assert [s.id for s in read] == ["doc", "one", "", ""]
    assert [s.text for s in read] == [o["text"] for o in outputs]
    for sentence, output in zip(read, outputs):
        record = sentence.to_json()
        assert record == {name: output[name] for name in record}
    assert sum(len(s.relations) for s in read) > 0


# Errors


@pytest.mark.parametrize(
    "record, message",
    [
        ({}, "(none); expected exactly one of text, sentence, tokens"),
        ({"txt": "a"}, "the keys txt; expected exactly one"),
        ({"text": "a", "sentence": "b"}, "the keys sentence, text; expected exactly one"),
        ({"sentence": "a", "tokens": ["a"]}, "the keys sentence, tokens; expected exactly one"),
        ({"text": 3}, "'text' holds 3; expected a string"),
        ({"sentence": None}, "'sentence' holds None; expected a string"),
        ({"tokens": "ab"}, "expected a list"),
        ({"tokens": ["a", 1]}, "holds 1; expected a string"),
        ({"tokens": ["a"], "text": "a"}, "offsets is missing"),
        ({"tokens": ["a"], "offsets": [[0, 1]]}, "text is missing"),
        ({"tokens": ["a"], "text": "a", "offsets": [[0, 2]]}, "offsets 0 to 2"),
        (["text"], "expected a JSON object"),
        ("text", "expected a JSON object"),
    ],
)
def test_an_input_that_is_none_of_the_three_is_an_error_that_says_so(predictor, record, message):
    with pytest.raises(SentenceError) as error:
        predictor.predict_json(record)
    assert message in str(error.value)


# Texts that are hard to get right


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("", []),
        (" \t\n\u00a0 ", []),
        ("Kesh", ["Kesh"]),
        ("Ada\r\nin  Kesh .\r\n", ["Ada", "in", "Kesh", "."]),
        ("\N{WOMAN}\u200d\N{GIRL} Kesh", None),  # joined emoji
        ("Zoe\u0308 in Ko\u0308ln .", ["Zoe\u0308", "in", "Ko\u0308ln", "."]),
        ("שלום מ קש .", ["שלום", "מ", "קש", "."]),
        ("a\0b Kesh", None),
        ("@@PADDING@@ @@UNKNOWN@@ Kesh", None),
        ("\ufeff\u2028\u200b Kesh \ufffd", None),
        ("x" * 3000 + " Kesh", None),
    ],
)
@pytest.mark.parametrize("kind", ["text", "sentence"])
def test_offsets_are_right_for_every_kind_of_text(predictor, kind, text, tokens):
    output = checked(predictor.predict_json({kind: text}))
    assert output["text"] == text
    if tokens is None:
        assert "Kesh" in output["tokens"]
    else:
        assert output["tokens"] == tokens
    if not tokens and tokens is not None:
        assert output["entities"] == output["relations"] == []


@pytest.mark.parametrize("tokens", [[], [""], ["a", "", " "], ["a b", "\n"], ["\0"], ["\ud800"]])
def test_any_tokens_are_taken(predictor, tokens):
    assert checked(predictor.predict_json({"tokens": tokens}))["tokens"] == tokens


@pytest.mark.parametrize(
    "record", [{"tokens": ["Kesh"] * 5000}, {"sentence": "Kesh " * 5000}, {"text": "Kesh. " * 2500}]
)
def test_five_thousand_tokens(predictor, record, monkeypatch):
    # One entity in a hundred tokens: the tiny model would find far more.
    unit = predictor._model.entity_finder.codec.tags.index("U-Loc")

    def viterbi(scores, mask):
        tags = torch.zeros(mask.shape, dtype=torch.long)
        tags[:, ::100] = unit
        return tags

    monkeypatch.setattr(predictor._model.entity_finder.levels[0].crf, "viterbi", viterbi)
    output = checked(predictor.predict_json(record))
    assert len(output["tokens"]) == 5000
    assert len(output["entities"]) == (2500 if "sentences" in output else 50)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_any_text_keeps_its_offsets_alone_and_in_a_batch(predictor, texts):
    records = [{"text": text} for text in texts]
    outputs = [checked(output) for output in predictor.predict_batch_json(records)]
    assert [output["text"] for output in outputs] == texts
    single = [predictor.predict_json(record) for record in records]
    assert [o["tokens"] for o in single] == [o["tokens"] for o in outputs]


# Batches

RECORDS = [
    {"text": DOCUMENT, "id": "doc"},
    {"text": ""},
    {"tokens": ["Kesh"], "id": "k"},
    {"sentence": "Oleg Hart joined the Navy in 1961 and moved to Lisgard , Tarnia ."},
    {"text": "It rained. " * 4},
    {"tokens": []},
]


@pytest.mark.parametrize("bound", [1, 7, 24, 4096])
def test_a_batch_predicts_as_single_inputs_do(predictor, monkeypatch, bound):
    monkeypatch.setattr(joint_predictor, "MAX_BATCH_TOKENS", bound)
    together = predictor.predict_batch_json(RECORDS)
    single = [predictor.predict_json(record) for record in RECORDS]
    assert [without_scores(o) for o in together] == [without_scores(o) for o in single]
    for first, second in zip(together, single):
        for name in ("entities", "relations"):
            scores = [[item["score"] for item in output[name]] for output in (first, second)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.parametrize(
    "text, kind, reason",
    [
        (None, "SentenceError", "the key 'text' holds None; expected a string"),
        (float("nan"), "SentenceError", "the key 'text' holds nan; expected a string"),
        ("x" * (2**22 + 1), "SentenceError", "the text has 4194305 characters; expected at most"),
        ("x " * 100_001, "SentenceError", "a sentence of 100001 tokens; expected at most 100000"),
    ],
)
def test_an_input_that_cannot_be_processed_gives_an_error_in_its_place(
    predictor, text, kind, reason
):
    kept = [{"text": "Zoë left Kesh."}, {"text": "It rained.", "id": "c"}]
    found = predictor.predict_batch_json([kept[0], {"id": 7, "text": text}, kept[1]])
    texts = [found[place]["text"] for place in (0, 2)]
    assert texts == [record["text"] for record in kept] and found[2]["id"] == "c"
    error = found[1].pop("error")
    assert found[1] == {"id": "7", "line": 2} and error["type"] == kind
    assert error["message"].startswith(reason)
    with pytest.raises(SentenceError, match=reason):
        predictor.predict_json({"text": text})


def test_what_is_no_object_gives_an_error_in_its_place(predictor):
    for record in (None, float("nan"), 3, ["a"]):
        (output,) = predictor.predict_batch_json([record])
        assert output["error"]["message"].endswith("expected a JSON object")


def test_an_empty_batch_gives_nothing(predictor):
    assert predictor.predict_batch_json([]) == []
    assert predictor.predict_sentences([]) == []


@pytest.fixture
def eager_threads(set_threads):
    """PyTorch may have four threads, and Python changes between them as often as it can."""
    interval = sys.getswitchinterval()
    set_threads(4)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("low", [False, True])
def test_batches_side_by_side_predict_as_one_after_the_other(
    make, root, monkeypatch, eager_threads, cell, low
):
    embedders = "model.text_field_embedder.token_embedders"
    places = [f"model.encoder.{part}" for part in ("shared", "ner", "relation")]
    places.append(f"{embedders}.token_characters")
    overrides = {"model.bfloat16": low, **{f"{place}.cell": cell for place in places}}
    made = make(root / "fixtures" / "conll04_spert.json", overrides)
    predictor = JointPredictor(made.model, made.reader)
    made.model.relation_threshold = 0.0
    # Words are forgotten again and again.
    monkeypatch.setattr("joint_ner_re.modules.embedders.MAX_KNOWN_WORDS", 12)
    monkeypatch.setattr(joint_predictor, "MAX_BATCH_TOKENS", 24)
    words = DOCUMENT.split()
    sentences = [
        Sentence([f"{word}{number % 7}" for word in words[: 1 + number % len(words)]])
        for number in range(120)
    ]
    together = [predictor.predict_sentences(sentences) for _ in range(3)]
    monkeypatch.setattr("joint_ner_re.predictors.threads.MAX_THREADS", 1)
    torch.set_num_threads(1)
    assert together == [predictor.predict_sentences(sentences)] * 3
    assert sum(len(sentence.relations) for sentence in together[0]) > 100


def test_a_model_with_a_state_of_its_own_predicts_in_one_thread(
    predictor, monkeypatch, eager_threads
):
    threads = set()

    def predict(instances):
        threads.add(threading.get_ident())
        return [instance["metadata"]["sentence"] for instance in instances]

    class Stateful:
        """As AllenNLP's ELMo."""

        def reset_states(self):
            """Nothing to reset."""

    monkeypatch.setattr(joint_predictor, "MAX_BATCH_TOKENS", 5)
    monkeypatch.setattr(predictor._model, "predict", predict)
    sentences = [Sentence(["word"] * 4)] * 20
    predictor.predict_sentences(sentences)
    assert threading.get_ident() not in threads
    threads.clear()
    monkeypatch.setattr(predictor._model, "_stateful", [Stateful()])
    predictor.predict_sentences(sentences)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("bound", [1, 5, 12, 100])
def test_batches_hold_no_more_padded_tokens_than_allowed(predictor, monkeypatch, bound):
    monkeypatch.setattr(joint_predictor, "MAX_BATCH_TOKENS", bound)
    lengths = [3, 1, 7, 0, 2, 2, 12, 5, 1, 30]
    sentences = [Sentence(["word"] * n, id=str(i)) for i, n in enumerate(lengths)]
    batches = []

    def predict(instances):
        batches.append([instance["metadata"]["sentence"] for instance in instances])
        return batches[-1]

    monkeypatch.setattr(predictor._model, "predict", predict)
    assert predictor.predict_sentences(sentences) == sentences
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(len(s.tokens) for s in batch) <= bound
    assert Counter(s.id for batch in batches for s in batch) == Counter(s.id for s in sentences)
    assert len(batches) < len(sentences) or bound == 1


def test_an_instance_is_predicted_as_its_tokens_are(predictor):
    instance = predictor._dataset_reader.text_to_instance(
        Sentence(["Ada", "left", "Kesh"], id="x"), labelled=False
    )
    predictor._dataset_reader.apply_token_indexers(instance)
    found = predictor.predict_instance(instance)
    expected = predictor.predict_json({"tokens": ["Ada", "left", "Kesh"], "id": "x"})
    assert found["id"] == "x" and found["tokens"] == expected["tokens"]
    assert found["relations"] == expected["relations"]
    # Without a text there are no offsets.
    assert found["entities"] == [
        {name: value for name, value in entity.items() if not name.startswith("char_")}
        for entity in expected["entities"]
    ]


# Too little memory


MEMORY = [
    RuntimeError("CUDA out of memory."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY)
@pytest.mark.parametrize("tokens", [1, 12, 13, 40])
def test_a_batch_too_large_for_memory_is_halved(predictor, monkeypatch, error, tokens):
    sentences = [Sentence(["Kesh"] * n, id=str(n)) for n in (3, 1, 12, 0, 5, 2)]
    expected = predictor.predict_sentences(sentences)
    predict = predictor._model.predict

    def small(instances):
        if sum(len(i["metadata"]["sentence"].tokens) for i in instances) > tokens:
            raise error
        return predict(instances)

    monkeypatch.setattr(predictor._model, "predict", small)
    if tokens < 12:
        with pytest.raises(type(error)):
            predictor.predict_sentences(sentences)
    else:
        found = predictor.predict_sentences(sentences)
        for one, other in zip(found, expected):
            assert (one.id, one.tokens) == (other.id, other.tokens)
            assert [e.key for e in one.entities] == [e.key for e in other.entities]
            scores = [[e.score for e in sentence.entities] for sentence in (one, other)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_another_failure_is_not_taken_for_one_of_memory(predictor, monkeypatch):
    calls = []

    def failing(instances):
        calls.append(len(instances))
        raise RuntimeError("device-side assert")

    monkeypatch.setattr(predictor._model, "predict", failing)
    with pytest.raises(RuntimeError, match="device-side assert"):
        predictor.predict_sentences([Sentence(["a"]), Sentence(["b"])])
    assert calls == [2]


def test_a_very_long_sentence_is_predicted_in_parts(predictor, monkeypatch):
    monkeypatch.setattr(documents, "MAX_CHUNK_TOKENS", 5)
    monkeypatch.setattr(documents, "MAX_SENTENCE_TOKENS", 12)
    words = [
        "Oleg",
        "Hart",
        "joined",
        "the",
        "Navy",
        "in",
        "1961",
        "and",
        "moved",
        "to",
        "Lisgard",
        ".",
    ]
    found = checked(predictor.predict_json({"tokens": words, "id": "x"}))
    parts = [predictor.predict_json({"tokens": words[n : n + 5]}) for n in (0, 5, 10)]
    entities = [
        (e["type"], e["start"] + 5 * number, e["text"])
        for number, part in enumerate(parts)
        for e in part["entities"]
    ]
    assert [(e["type"], e["start"], e["text"]) for e in found["entities"]] == entities
    assert len(found["relations"]) == sum(len(part["relations"]) for part in parts) > 0
    for relation in found["relations"]:
        ends = {found["entities"][relation[role]]["start"] // 5 for role in ("head", "tail")}
        assert len(ends) == 1
    with pytest.raises(SentenceError, match="a sentence of 13 tokens; expected at most 12"):
        predictor.predict_json({"tokens": [*words, "x"]})


def test_a_text_that_would_fill_the_memory_is_an_error(predictor, monkeypatch):
    monkeypatch.setattr(documents, "MAX_CHARACTERS", 4)
    assert predictor.predict_json({"text": "Kesh"})["tokens"] == ["Kesh"]
    for kind in ("text", "sentence"):
        with pytest.raises(SentenceError, match="has 5 characters; expected at most 4"):
            predictor.predict_json({kind: "Kesh."})


def test_of_a_word_of_a_megabyte_the_model_sees_the_beginning(predictor):
    word = "Kesh" + "x" * 10**6
    output = checked(predictor.predict_json({"tokens": ["in", word]}))
    (instance,) = [predictor._json_to_instance({"tokens": ["in", word]})]
    assert output["tokens"] == ["in", word]
    assert [token.text for token in instance["tokens"]] == ["in", word[:300]]


@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
def test_what_is_not_json_is_an_error(predictor, value):
    with pytest.raises(ValueError, match="the line holds what is not JSON"):
        predictor.load_line(f'{{"text": "a", "n": {value}}}')
