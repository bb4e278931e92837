"""One sentence has one answer: alone, in any batch, in any order, through every door.

Scores may differ by rounding, 1e-5 at most; entities and relations may not. Ray writes the bytes of
`allennlp extract`: see test_ray_extraction.py.
"""

import json
from contextlib import contextmanager

import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Program

from joint_ner_re.predictors import joint_predictor
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.sentence import Sentence

TEXTS = [
    "Ada Marek lives in Kesh.",
    "Oleg Hart joined the Navy in 1961 and moved to Lisgard, Tarnia.",
    "Kesh",
    "Witnesses said Jon Pell shot Mayor Iva Sund on May 3.",
    "It rained.",
    "Zoe\u0308 met \N{GRINNING FACE} at the Bank of Tarnia, which Karl Vik guards by night.",
]


@pytest.fixture(scope="module")
def predictor(tiny_archive, few_threads):
    predictor = load_predictor(str(tiny_archive))
    predictor._model.relation_threshold = 0.0
    return predictor


@pytest.fixture(scope="module")
def alone(predictor):
    """Each text's answer when nothing else is predicted with it."""
    found = {text: answer(predictor.predict_json({"text": text})) for text in TEXTS}
    assert sum(len(relations) for _, relations in found.values()) > 20
    return found


def answer(record):
    """Entities by type and characters, and relations, both with their scores."""
    entities = [(e["type"], e["char_start"], e["char_end"], e["score"]) for e in record["entities"]]
    relations = [(r["type"], r["head"], r["tail"], r["score"]) for r in record["relations"]]
    return entities, relations


@contextmanager
def thread_limit(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def assert_same(found, expected):
    for one, other in zip(found, expected):
        assert [item[:3] for item in one] == [item[:3] for item in other]
        scores = [[item[3] for item in items] for items in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@settings(max_examples=40)
@given(
    order=st.permutations(TEXTS),
    sizes=st.lists(st.integers(1, 6), min_size=6, max_size=6),
    tokens=st.sampled_from([1, 10, 30, 4096]),
    kind=st.sampled_from(["text", "sentence"]),
    threads=st.sampled_from([1, 3]),
)
def test_in_any_batch_order_and_thread(predictor, alone, order, sizes, tokens, kind, threads):
    with pytest.MonkeyPatch.context() as patch, thread_limit(threads):
        patch.setattr(joint_predictor, "MAX_BATCH_TOKENS", tokens)
        rest = list(order)
        for size in sizes:
            batch, rest = rest[:size], rest[size:]
            outputs = predictor.predict_batch_json([{kind: text} for text in batch])
            for text, output in zip(batch, outputs):
                assert_same(answer(output), alone[text])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("tokens", [1, 30, 4096])
def test_with_entities_that_overlap(make, fixtures, monkeypatch, tokens, threads):
    options = {"model.tag_levels": 3, "model.relation_threshold": 0.0}
    made = make(fixtures / "conll04_spert.json", options)
    for level in made.model.entity_finder.levels[1:]:
        # Otherwise an untrained model would find hardly anything there.
        level.scorer.output.bias.data.zero_()
    predictor = joint_predictor.JointPredictor(made.model, made.reader)
    alone = [answer(predictor.predict_json({"text": text})) for text in TEXTS]
    monkeypatch.setattr(joint_predictor, "MAX_BATCH_TOKENS", tokens)
    with thread_limit(threads):
        outputs = predictor.predict_batch_json([{"text": text} for text in TEXTS])
    for output, expected in zip(outputs, alone):
        assert_same(answer(output), expected)
    for output in outputs:
        places = [(entity["start"], -entity["end"]) for entity in output["entities"]]
        assert places == sorted(places)
    assert any(Sentence.from_json(output).overlapping() for output in outputs)


@pytest.mark.parametrize("size", [1, 4, 64])
@pytest.mark.parametrize("command", ["predict", "extract"])
def test_through_the_commands(tiny_archive, alone, tmp_path, allennlp, command, size):
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    texts = TEXTS[::-1] + TEXTS[::2]
    source.write_text("".join(text + "\n" for text in texts), "utf-8")
    if command == "predict":
        rest = ["--output-file", out, "--silent", "--batch-size", size]
        rest += ["--overrides", json.dumps({"model.relation_threshold": 0.0})]
    else:
        rest = [out, "--relation-threshold", 0.0, "--batch-documents", size]
    allennlp(command, tiny_archive, source, *rest)
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [record["text"] for record in records] == texts
    for record in records:
        assert_same(answer(record), alone[record["text"]])


@pytest.mark.parametrize("size", [1, 3, 256])
def test_through_the_spacy_component(tiny_archive, alone, size):
    nlp = spacy.blank("en")
    config = {"archive": str(tiny_archive), "split_sentences": True, "batch_size": size}
    component = nlp.add_pipe("joint_ner_re", config=config)
    component.predictor._model.relation_threshold = 0.0
    for doc in [*nlp.pipe(TEXTS[::-1]), *map(nlp, TEXTS)]:
        found = {"entities": doc._.joint_entities, "relations": doc._.relations}
        assert_same(answer(found), alone[doc.text])


def test_in_two_processes(tiny_archive, alone, root, tmp_path):
    processes = []
    for number, texts in enumerate((TEXTS[:4], TEXTS[:1:-1])):
        source, out = tmp_path / f"{number}.txt", tmp_path / f"{number}.jsonl"
        source.write_text("".join(text + "\n" for text in texts), "utf-8")
        arguments = ["extract", tiny_archive, source, out, "--relation-threshold", "0"]
        process = Program(
            "allennlp", *arguments, directory=root, variables={"OMP_NUM_THREADS": str(number + 1)}
        )
        processes.append((process, out, texts))
    for process, out, texts in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        assert [record["text"] for record in records] == texts
        for record in records:
            assert_same(answer(record), alone[record["text"]])
