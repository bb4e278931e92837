import json
import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus
from joint_ner_re.sentence import Entity, Relation

TEXT = "Brod beat Novi Brod , said Mayor Ada of Novi Brod ."


@pytest.fixture
def read(put):
    def reading(*records, **options):
        return list(read_corpus(put("[" + ",\n".join(map(json.dumps, records)) + "]"), **options))

    return reading


def record(*triples, text=TEXT):
    return {"text": text, "triple_list": list(triples)}


def test_arguments_with_one_place_are_found(read):
    (sentence,) = read(record(["Mayor Ada", "head of", "Ada of Novi"], ["beat", "x", "Mayor Ada"]))
    assert " ".join(sentence.tokens) == sentence.text == TEXT
    assert sentence.entities == (
        Entity("Entity", 6, 8), Entity("Entity", 7, 10), Entity("Entity", 1, 2),
    )  # fmt: skip
    assert sentence.relations == (Relation("head of", 0, 1), Relation("x", 2, 0))
    assert [sentence.surface(entity) for entity in sentence.entities] == [
        "Mayor Ada", "Ada of Novi", "beat",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "triple, entities, message",
    [
        (["Novi Brod", "x", "Ada"], 1, "stand at several places, of which none was taken: 1"),
        (["Ada", "x", "Nov"], 1, "arguments that do not stand in their text: 1"),
        (["Ada", "x", " "], 1, "arguments that do not stand in their text: 1"),
        (["Ada", "x", "Ada"], 1, "triples of two arguments with the same place, left out: 1"),
    ],
)
def test_what_cannot_be_placed_is_counted(read, caplog, triple, entities, message):
    with caplog.at_level(logging.WARNING):
        (sentence,) = read(record(triple))
    assert len(sentence.entities) == entities and not sentence.relations
    assert message in caplog.text


def test_the_first_place_can_be_taken(read, caplog):
    (sentence,) = read(record(["Novi Brod", "x", "Ada"]), ambiguous="first")
    assert sentence.entities == (Entity("Entity", 2, 4), Entity("Entity", 7, 8))
    assert sentence.relations == (Relation("x", 0, 1),)
    assert "stand at several places, of which the first was taken: 1" in caplog.text
    with pytest.raises(ValueError, match="ambiguous is 'last'; expected 'drop' or 'first'"):
        read(record(), ambiguous="last")


def test_a_triple_given_twice_is_kept_once(read, caplog):
    (sentence,) = read(record(["Ada", "x", "beat"], ["Ada", "x", "beat"]))
    assert len(sentence.relations) == 1
    assert "relations given more than once, kept once: 1" in caplog.text


def test_lines_are_read_like_a_list(read, put):
    records = [record(["Ada", "x", "beat"]), record()]
    path = put("".join(json.dumps(item) + "\n" for item in records))
    assert detect_format(path) == "casrel"
    assert list(read_corpus(path)) == read(*records)


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (
            {"text": 5, "triple_list": []},
            "the key 'text' of the sentence holds 5; expected a string",
        ),
        ({"text": "a"}, "the sentence lacks the key 'triple_list'"),
        (record(["Ada", "x"]), 'a triple is ["Ada", "x"]; expected [head, relation, tail]'),
        (record(["Ada", 5, "x"]), 'a triple is ["Ada", 5, "x"]'),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, wrong, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(record(), wrong)
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    assert [s.id for s in read(record(), wrong, record(), on_error=errors.append)] == ["0", "2"]
    assert [error.line for error in errors] == [2]


def test_the_fixture_has_the_relations_of_spert_but_for_the_ambiguous_one(corpora):
    expected = list(read_corpus(corpora / "conll04_spert.json"))
    found = list(read_corpus(corpora / "casrel.json"))
    for one, other in zip(found, expected, strict=True):
        assert one.tokens == other.tokens

        def surfaces(sentence):
            return {
                (r.type, *(sentence.entities[i].key[1:] for i in (r.head, r.tail)))
                for r in sentence.relations
            }

        # "Kesh" is also the beginning of "Kesh Herald".
        lost = {("OrgBased_In", (15, 17), (3, 4))} if other.id == "40" else set()
        assert surfaces(one) == surfaces(other) - lost


def test_the_real_file_has_its_published_counts(data, caplog):
    path = data / "formats" / "casrel" / "webnlg_test.json"
    with caplog.at_level(logging.WARNING):
        sentences = list(read_corpus(path))
    assert len(sentences) == 703
    counted = {line.rpartition(": ")[0]: int(line.rpartition(": ")[2]) for line in caplog.messages}
    left_out = sum(count for what, count in counted.items() if "left out" in what)
    assert sum(len(sentence.relations) for sentence in sentences) + left_out == 1607
    # Brute force over all spans: no triple is left out that has one place for each argument.
    placed = 0
    for item, sentence in zip(json.loads(path.read_text()), sentences):
        spans = [
            " ".join(sentence.tokens[i:j])
            for i in range(len(sentence.tokens))
            for j in range(i + 1, len(sentence.tokens) + 1)
        ]
        triples = [t for t in item["triple_list"] if spans.count(t[0]) == spans.count(t[2]) == 1]
        placed += sum(head != tail for head, _, tail in triples)
    assert sum(len(sentence.relations) for sentence in sentences) == placed
