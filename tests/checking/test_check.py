import json
import os

import pytest

from joint_ner_re.checking import Part, as_markdown, as_text, check_corpus
from joint_ner_re.corpora import write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence


@pytest.fixture
def check(tmp_path):
    """Checks parts, each a list of sentences or the content of a file."""

    def checked(**parts):
        made = []
        for name, part in parts.items():
            path = tmp_path / f"{name}.jsonl"
            if isinstance(part, str):
                path.write_text(part)
            else:
                write_corpus(part, path, "jsonl")
            made.append(Part(name, str(path)))
        return check_corpus(made)

    return checked


def found(report):
    return {
        suspicion.what: (suspicion.times, suspicion.examples) for suspicion in report.suspicions
    }


def marked(text, *spans, relations=(), id=""):
    """A sentence whose tokens stand between spaces; a span is `(type, words)`."""
    tokens = text.split(" ")
    entities = []
    for type, words in spans:
        words = words.split(" ")
        starts = [n for n in range(len(tokens)) if tokens[n : n + len(words)] == words]
        entities.append(Entity(type, starts[0], starts[0] + len(words)))
    return Sentence(tokens, entities, [Relation(*r) for r in relations], id=id)


def test_a_good_corpus_has_nothing_suspicious(check):
    report = check(
        train=[marked("Ada left Kesh .", ("P", "Ada"), ("L", "Kesh"), relations=[("R", 0, 1)])],
        dev=[marked("Bob left Lum .", ("P", "Bob"), ("L", "Lum"), relations=[("R", 1, 0)])],
    )
    assert report.errors == [] and report.suspicions == []
    assert report.to_json()["parts"]["dev"]["entity_types"] == {"L": 1, "P": 1}


def test_all_errors_are_found_and_the_rest_is_counted(check):
    report = check(train='{"tokens": ["a"]}\n{"tokens": 3}\nnonsense\n{"tokens": ["b"]}\n')
    assert [(error.line, error.path[-11:]) for error in report.errors] == [
        (2, "train.jsonl"),
        (3, "train.jsonl"),
    ]
    assert report.parts["train"].totals["sentences"] == 2


def test_what_cannot_be_read_on_behind_is_one_error(check, tmp_path, fixtures):
    content = (fixtures / "conll04.corp").read_text().replace("Loc", "Lock", 1)
    (tmp_path / "a").write_text(content)
    report = check_corpus([Part("a", str(tmp_path / "a")), Part("b", str(tmp_path / "nowhere"))])
    assert [error.path for error in report.errors] == [str(tmp_path / n) for n in ("a", "nowhere")]


@pytest.mark.parametrize(
    "span, what",
    [
        ("( Ada", "entities that begin with punctuation"),
        ("Ada ,", "entities that end with punctuation"),
        ("Ada ) (", "entities that end with punctuation"),
        ("the Ada", "entities that begin with an English function word"),
        ("Ada of", "entities that end with an English function word"),
        ("Ada \t", "entities with white space at the edge of a token"),
    ],
)
def test_odd_edges_of_entities(check, span, what):
    report = check(a=[marked(f"x {span} y", ("P", span), id="7")])
    times, (example,) = found(report)[what]
    assert times == 1
    assert example.startswith("a:1 (7): P 'Ada" if span[0] == "A" else "a:1 (7): P ")


@pytest.mark.parametrize("span", ["N.Y.", "aspirin ( 100 mg )", "5 %", '" Ada "', "?", "A-b"])
def test_edges_that_are_fine(check, span):
    assert found(check(a=[marked(f"x {span} y", ("P", span))])) == {}


def test_duplicates_within_and_across_parts(check):
    one = marked("Ada left Kesh", ("P", "Ada"))
    other = marked("Ada left Kesh", ("P", "Kesh"))
    near = marked("ada LEFTKesh")
    report = found(check(train=[one, one], dev=[other, near]))
    assert report["sentences that occur twice, within a part"] == (1, ["train:2 and train:1"])
    assert report["sentences that occur twice, in both train and dev"] == (
        1, ["dev:1 and train:1"],
    )  # fmt: skip
    assert report["sentences that occur twice and are annotated differently"][0] == 1
    assert report[
        "sentences that differ only in case, white space or tokens, in both train and dev"
    ] == (1, ["dev:2 and train:1"])


def test_types_that_a_part_lacks(check):
    pair = marked("Ada left Kesh", ("P", "Ada"), ("L", "Kesh"), relations=[("R", 0, 1)])
    report = found(check(train=[marked("Ada slept", ("P", "Ada"))], dev=[pair]))
    assert report["entity types that a part lacks"] == (1, ["L: 1 in dev, none in train"])
    assert report["relation types that a part lacks"] == (1, ["R: 1 in dev, none in train"])


def test_the_same_words_with_different_types_or_none(check):
    sentences = [marked(f"{n} saw King George", ("P", "King George")) for n in range(2)]
    sentences.append(marked("King George is a pub", ("L", "King George")))
    sentences += [marked(f"{n} praised King George") for n in range(4)]
    report = found(check(a=sentences))
    assert report["words annotated with more than one type"] == (1, ["'King George': P 2, L 1"])
    assert report["words annotated less often than left out"] == (
        1, ["'King George': 3 times annotated, 4 times not, first in a:4"],
    )  # fmt: skip


def test_relations_that_are_odd(check):
    both = marked(
        "Ada Marek left", ("P", "Ada Marek"), ("P", "Ada"), relations=[("R", 0, 1), ("R", 1, 0)]
    )
    report = found(check(a=[both]))
    assert report["relations of one type in both directions"][0] == 2
    assert report["relations between entities that overlap"][1][0] == "a:1: 'Ada Marek' R 'Ada'"


def test_rare_argument_types_need_many_others(check):
    def pair(n, head, tail):
        spans = (head, f"a{n}"), (tail, f"b{n}")
        return marked(f"a{n} b{n}", *spans, relations=[("R", 0, 1)], id=str(n))

    usual = [pair(n, "P", "L") for n in range(150)]
    report = found(check(a=[*usual, pair(150, "L", "P")]))
    ((times, (example,)),) = report.values()
    assert times == 1
    assert example == "a:151 (150): 'a150' R 'b150' (L to P: 1 of 151)"
    assert found(check(a=[*usual[:40], pair(150, "L", "P")])) == {}


def test_long_entities_and_far_relations(check):
    words = [f"w{n}" for n in range(60)]
    far = Sentence(words, [Entity("P", 0, 1), Entity("L", 50, 51)], [Relation("R", 0, 1)])
    near = [
        Sentence([f"s{n}", "a", "b"], [Entity("P", 0, 1), Entity("L", 1, 2)], [Relation("R", 0, 1)])
        for n in range(30)
    ]
    long = Sentence([f"x{n}" for n in range(40)], [Entity("P", 3, 20)])
    report = found(check(a=[far, long, *near]))
    assert report["relations over more than 30 tokens"] == (1, ["a:1: 'w0' R 'w50'"])
    assert report["entities of more than 10 tokens"][0] == 1


def test_empty_sentences_and_ids_that_stand_twice(check):
    report = found(
        check(a=[Sentence([], id="1"), Sentence([" "], id="1")], b=[Sentence("a", id="1")])
    )
    assert report["sentences without a word"] == (2, ["a:1 (1)", "a:2 (1)"])
    assert report["ids that another sentence of the part has"] == (1, ["a:2 (1)"])


def test_there_are_five_examples_and_all_are_counted(check):
    report = check(a=[marked(f"x {n} ,", ("P", f"{n} ,")) for n in range(9)])
    ((times, examples),) = found(report).values()
    assert (times, len(examples)) == (9, 5)


def test_parts_have_different_names():
    with pytest.raises(ValueError, match="the parts are named a, a; expected different names"):
        check_corpus([Part("a", "x"), Part("a", "y")])


def test_the_report_as_text_and_markdown(check):
    line = '{"tokens": ["Ada|x", ","], "entities": [{"type": "P|Q", "start": 0, "end": 2}]}\n'
    report = check(train=line + "nonsense\n" * 25)
    text, markdown = as_text(report), as_markdown(report)
    assert "entities by type  train\nP|Q                   1\n" in text
    assert "Errors: 25\n" in text and "... and 5 more (--json has all)" in text
    assert "  entities that end with punctuation: 1\n    train:1: P|Q 'Ada|x ,'\n" in text
    assert "| entities by type | train |\n| --- | ---: |\n| P\\|Q | 1 |\n" in markdown
    assert "### Errors: 25\n\n- " in markdown
    assert "- entities that end with punctuation: 1\n    - train:1: P|Q" in markdown
    assert len(json.loads(json.dumps(report.to_json()))["errors"]) == 25


def test_the_real_corpus():
    directory = os.environ.get("JOINT_NER_RE_DATA")
    if not directory:
        pytest.skip("needs the corpora: set JOINT_NER_RE_DATA")
    parts = [
        Part(name, f"{directory}/conll04/spert/conll04_{name}.json") for name in ("train", "dev")
    ]
    report = check_corpus(parts)
    assert [report.parts[name].totals["sentences"] for name in ("train", "dev")] == [922, 231]
    assert sum(report.parts["train"].relations.values()) == 1283
    # The documents' figures.
    assert found(report)["sentences that occur twice, in both train and dev"][0] == 12


def doccano(begin, end):
    record = {"text": "Aspirin caused rash.", "label": [[begin, end, "Drug"]]}
    return json.dumps(record) + "\n"


def test_many_widened_mentions_are_a_finding(check, caplog):
    # Of 100 mentions, 4 end inside a token in the one part, and 3 in the other.
    report = check(
        train=doccano(0, 7) * 96 + doccano(0, 6) * 4, dev=doccano(0, 7) * 97 + doccano(0, 6) * 3
    )
    assert found(report)["parts with many mentions that are not whole tokens"] == (1, [
        "train: 4 mentions were widened to whole tokens, of 100 entities (4 %). Are the offsets "
        "shifted? Otherwise a finer tokenizer may fit: --granularity fine"
    ])  # fmt: skip
    what = "mentions that are not whole tokens, widened to whole tokens"
    parts = report.to_json()["parts"]
    assert [parts[name]["changes"] for name in ("train", "dev")] == [{what: 4}, {what: 3}]
    assert "widened to whole tokens" in as_text(report)
    # They are in the report, and not in the log as well.
    assert caplog.messages == []


def test_predicted_documents_count_as_their_sentences(check):
    whole = marked("Ada left . It rained .", ("P", "Ada"), id="d")
    document = Sentence(whole.tokens, whole.entities, id="d", bounds=[(0, 3), (3, 6)])
    assert check(train=[document]).parts["train"].totals["sentences"] == 2


def test_types_that_look_alike(check):
    one, other = [("Drug", 0, 1), ("drug ", 1, 2)], [("Has Dose", 0, 1), ("Drug\u200b", 1, 2)]
    parts = {
        name: [Sentence(["a", "b"], [Entity(*e) for e in entities], [Relation(type, 0, 1)])]
        for name, entities, type in (("train", one, "Has_Dose\r"), ("dev", other, "has-dose"))
    }
    report = check(**parts)
    # White space and invisible characters are read as if they were not there.
    changes = {name: report.parts[name].changes for name in parts}
    assert changes == {
        "train": {"types 'drug ', read as 'drug'": 1, "types 'Has_Dose\\r', read as 'Has_Dose'": 1},
        "dev": {"types 'Drug\\u200b', read as 'Drug'": 1},
    }
    what = "types that differ only in case, white space or punctuation"
    assert found(report)[what] == (
        2, ["'Drug' (2) and 'drug' (1)", "'Has_Dose' (1) and 'has-dose' (1)"]
    )  # fmt: skip
