import json

import pytest

from joint_ner_re.checking.suspicions import alike
from joint_ner_re.corpora import CorpusFormatError, read_corpus
from joint_ner_re.corpora.type_names import plain_type


@pytest.mark.parametrize(
    "name, plain",
    [
        ("Drug", "Drug"),
        (" Drug\r", "Drug"),
        ("Adverse\u00a0 Effect\n", "Adverse Effect"),
        ("Dr\u200bug\ufeff", "Drug"),
        ("A\u0308rzte", "\u00c4rzte"),
        ("Works-For!", "Works-For!"),
        ("\u200b \t", ""),
    ],
)
def test_what_nobody_sees_is_left_out(name, plain):
    assert plain_type(name) == plain


def test_alike_is_what_people_take_for_one():
    assert alike("Adverse-Effect") == alike("adverse effect") == alike("ADVERSE_EFFECT")
    assert alike("Drug") != alike("Drugs") and alike("+") != alike("-")


def put(path, *types):
    entities = [{"type": name, "start": 0, "end": 1} for name in types]
    relations = [{"type": types[-1], "head": 0, "tail": 1}] if len(types) > 1 else []
    record = {"tokens": ["a"], "entities": entities, "relations": relations}
    path.write_text(json.dumps(record) + "\n")
    return path


def test_types_are_made_plain_when_a_corpus_is_read(tmp_path, caplog):
    (sentence,) = read_corpus(put(tmp_path / "a.jsonl", "Drug", "Drug\r"))
    assert [entity.type for entity in sentence.entities] == ["Drug", "Drug"]
    assert [relation.type for relation in sentence.relations] == ["Drug"]
    assert caplog.messages == [f"{tmp_path}/a.jsonl: types 'Drug\\r', read as 'Drug': 2"]
    with pytest.raises(
        CorpusFormatError, match="a.jsonl:1: a type is '\\\\u200b'; expected at least"
    ):
        list(read_corpus(put(tmp_path / "a.jsonl", "\u200b")))
