import json
import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus, write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

RECORD = {
    "doc_key": "news-7",
    "sentences": [["Ada", "left", "Kesh", "."], ["She", "lives", "in", "Novi", "Brod", "."]],
    "ner": [[[0, 0, "Peop"], [2, 2, "Loc"]], [[4, 4, "Peop"], [7, 8, "Loc"]]],
    "relations": [[], [[4, 4, 7, 8, "Live_In"]]],
}


@pytest.fixture
def read(put):
    def reading(*records, **options):
        path = put("".join(json.dumps(record) + "\n" for record in records))
        return list(read_corpus(path, "dygie", **options))

    return reading


def test_positions_of_the_document_become_positions_of_the_sentence(read):
    first, second = read(RECORD)
    assert (first.id, second.id) == ("news-7:0", "news-7:1")
    assert first.entities == (Entity("Peop", 0, 1), Entity("Loc", 2, 3))
    assert second.tokens == ("She", "lives", "in", "Novi", "Brod", ".")
    assert second.entities == (Entity("Peop", 0, 1), Entity("Loc", 3, 5))
    assert second.relations == (Relation("Live_In", 0, 1),)


def test_only_the_sentences_are_needed_and_one_may_be_empty(read):
    sentences = read({"sentences": [["Ada"], [], ["left"]]}, {"doc_key": 5, "sentences": [["x"]]})
    assert [(s.id, s.tokens) for s in sentences] == [
        ("1:0", ("Ada",)), ("1:1", ()), ("1:2", ("left",)), ("5:0", ("x",)),
    ]  # fmt: skip


def test_a_prediction_has_a_probability_after_its_logit(read):
    ner = [[[0, 0, "Peop", 7.1, 0.75], [2, 2, "Loc", 9, 1]], []]
    relations = [[[0, 0, 2, 2, "Live_In", -2.5, 0.25]], []]
    first, _ = read({**RECORD, "ner": ner, "relations": relations})
    assert first.entities == (Entity("Peop", 0, 1, 0.75), Entity("Loc", 2, 3, 1.0))
    assert first.relations == (Relation("Live_In", 0, 1, 0.25),)


def test_brackets_are_kept_or_unescaped(read):
    record = {"sentences": [["-LRB-", "a", "-RSB-", "COMMA"]]}
    assert read(record)[0].tokens == ("-LRB-", "a", "-RSB-", "COMMA")
    assert read(record, unescape_brackets=True)[0].tokens == ("(", "a", "]", "COMMA")


@pytest.mark.parametrize(
    "changes, entities, relations, message",
    [
        ({"clusters": [[[0, 0], [4, 4]]]}, 4, 1, "the key 'clusters' of 1 documents was ignored"),
        ({"predicted_ner": 5}, 4, 1, "the key 'predicted_ner' of 1 documents was ignored"),
        (
            {"ner": [[[0, 0, "Peop"], [2, 5, "Loc"]], [[4, 4, "Peop"], [7, 8, "Loc"]]],
             "relations": [[[0, 0, 2, 5, "Live_In"]], []]},
            3, 0, "mentions over the end of a sentence, left out: 1",
        ),
        (
            {"relations": [[], [[0, 0, 7, 8, "Live_In"]]]},
            4, 0, "relations from one sentence to another, left out: 1",
        ),
        (
            {"relations": [[], [[5, 5, 7, 8, "Live_In"], [4, 4, 7, 8, "Live_In"]]]},
            4, 1, "relations of spans that are no entity, left out: 1",
        ),
        (
            {"relations": [[], [[4, 4, 7, 8, "Live_In"], [4, 4, 7, 8, "Live_In"]]]},
            4, 1, "relations given more than once, kept once: 1",
        ),
        (
            {"ner": [[], [[4, 4, "Peop"], [4, 4, "Org"], [7, 8, "Loc"], [7, 8, "Loc"]]]},
            3, 1, "relations of spans with several types, given to the first: 1",
        ),
        (
            {"ner": [[], [[4, 4, "Peop"], [4, 4, "Org"], [7, 8, "Loc"], [7, 8, "Loc"]]]},
            3, 1, "mentions with the type and the tokens of another one, kept once: 1",
        ),
    ],
)  # fmt: skip
def test_what_is_left_out_is_counted(read, caplog, changes, entities, relations, message):
    with caplog.at_level(logging.WARNING):
        sentences = read({**RECORD, **changes})
    assert sum(len(sentence.entities) for sentence in sentences) == entities
    assert sum(len(sentence.relations) for sentence in sentences) == relations
    assert any(message in line for line in caplog.messages), caplog.messages


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"sentences": None}, "the key 'sentences' of the document holds null; expected a list"),
        ({"sentences": ["Ada left."]}, 'sentence 0 is "Ada left."; expected a list of words'),
        ({"sentences": [["Ada", ""]]}, "sentence 0 has an empty token"),
        ({"ner": [[]]}, "'ner' has 1 lists for 2 sentences"),
        ({"ner": [[], 5]}, "'ner' has 5 for sentence 1; expected a list"),
        ({"ner": [[[0, "Peop"]], []]}, 'an entity is [0, "Peop"]; expected [first, last, type]'),
        ({"ner": [[[0, 0, "Peop", 0.5]], []]}, "or with logit and probability at its end"),
        ({"ner": [[[0, 0, "Peop", 3, 5]], []]}, "expected a probability from 0 to 1"),
        # Counted from the beginning of the sentence.
        ({"ner": [[], [[0, 0, "Peop"]]]}, "this sentence has the tokens 4 to 9; positions count"),
        # Counted in characters.
        ({"ner": [[[0, 3, "Peop"], [9, 13, "Loc"]], []]}, "first <= last < 10, the number of to"),
        ({"ner": [[[2, 1, "Peop"]], []]}, "an entity is [2, 1,"),
        ({"relations": [[], [[4, 4, 7, 10, "X"]]]}, "a relation is [4, 4, 7, 10,"),
        ({"relations": [[], [[4, 4, 4, 4, "X"]]]}, "a relation 'X' links a mention to itself"),
        ({"doc_key": True}, "'doc_key' is true; expected a string or a number"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, changes, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(RECORD, {**RECORD, **changes})
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    good = read(RECORD, {**RECORD, **changes}, {**RECORD, "doc_key": "b"}, on_error=errors.append)
    assert [sentence.id for sentence in good] == ["news-7:0", "news-7:1", "b:0", "b:1"]
    assert [error.line for error in errors] == [2]


def test_a_document_longer_than_the_head_of_the_file_is_recognised(put):
    long = {"sentences": [["word"] * 400_000], "ner": [[]]}
    assert detect_format(put(json.dumps(long))) == "dygie"
    assert detect_format(put(json.dumps({"sentences": [["a"]]}))) == "dygie"
    predicted = {"tokens": ["a"], "sentences": [[0, 1]]}
    assert detect_format(put(json.dumps(predicted))) == "jsonl"


def test_documents_are_written_and_read_back(corpora, tmp_path):
    sentences = list(read_corpus(corpora / "dygie.jsonl"))
    others = [Sentence(["a"], id="own"), Sentence(["b"]), Sentence(["c"], id="own:2")]
    path = tmp_path / "out"
    assert write_corpus([*sentences, *others], path, "dygie") == 14
    records = [json.loads(line) for line in path.read_text().splitlines()]
    originals = [json.loads(line) for line in (corpora / "dygie.jsonl").read_text().splitlines()]
    keys = ("doc_key", "sentences", "ner", "relations")
    assert records[:3] == [{key: record[key] for key in keys} for record in originals]
    again = list(read_corpus(path))
    assert again[:11] == sentences
    assert [sentence.id for sentence in again[11:]] == ["own:0", "12:0", "own:2:0"]


def test_what_the_format_does_not_hold_is_counted(tmp_path, caplog):
    entities = [Entity("Peop", 0, 1, 0.5), Entity("Org", 0, 1), Entity("Loc", 1, 2)]
    relations = [Relation("X", 0, 1), Relation("Live_In", 0, 2)]
    sentence = Sentence(["Ada", "Kesh"], entities, relations, "a").with_text()
    path = tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        write_corpus([sentence], path, "dygie")
    assert caplog.messages == [
        f"{path}: probabilities, not written: 1",
        f"{path}: relations between two entities with the same tokens, left out: 1",
        f"{path}: texts, of which only the tokens were written: 1",
    ]
    assert json.loads(path.read_text())["relations"] == [[[0, 0, 1, 1, "Live_In"]]]


def test_an_empty_token_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="the sentence 'a' has an empty token"):
        write_corpus([Sentence(["x"]), Sentence([""], id="a")], tmp_path / "out", "dygie")
    assert not (tmp_path / "out").exists()


def test_the_real_file_has_its_published_counts(data):
    path = data / "formats" / "scierc_dygie" / "dev.json"
    sentences = list(read_corpus(path))
    assert len({sentence.id.rpartition(":")[0] for sentence in sentences}) == 50
    assert len(sentences) == 275
    assert sum(len(sentence.entities) for sentence in sentences) == 811
    assert sum(len(sentence.relations) for sentence in sentences) == 455
