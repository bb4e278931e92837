from __future__ import annotations

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.jsonl import read
from joint_ner_re.sentence import Entity, Relation


def test_fixture(corpora):
    path = corpora / "sentences.jsonl"
    sentences = list(read(path))
    assert [s.id for s in sentences] == ["a1", "a2", "a3", "a4", "a5", "c1", "7", ""]
    aspirin = sentences[1]
    assert aspirin.entities == (Entity("Drug", 2, 3, 0.95),)
    assert aspirin.character_span(aspirin.entities[0]) == (9, 16)
    overlap = sentences[2]
    assert overlap.entities == (Entity("Adverse-Effect", 1, 3, 0.95), Entity("Drug", 1, 2, 0.9))
    assert overlap.relations == (Relation("Adverse-Effect", 0, 1, 0.85),)
    # The emoji before it counts as one character.
    assert sentences[4].character_span(sentences[4].entities[0]) == (23, 31)
    assert sentences[5].text is None
    assert sentences[7].tokens == ("Silence", ".")
    assert sentences[7].source == f"{path}:8"


@pytest.mark.parametrize(
    "content, line, reason",
    [
        ('{"tokens": ["a"]}\n["a"]\n', 2, "expected a JSON object"),
        ('{"tokens": ["a"]}\nnot json\n', 2, "not JSON at column 1, 'not json'"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"', 2, "ends too early"),
        ('{"tokens": ["a"]} {"tokens": ["b"]}\n', 1, "one JSON object in a line, then found"),
        ('{"tokens": ["a"]}\n\n{"tokens": ["a"]}\n', 2, "a blank line inside the file"),
        ('{"text": "a"}\n', 1, "lacks the key 'tokens'"),
        ('{"tokens": ["a"], "entitys": []}\n', 1, "has the key 'entitys'; known keys are"),
        ('{"tokens": "a"}\n', 1, "expected a list"),
        ('{"tokens": [1]}\n', 1, "expected a string"),
        (
            '{"tokens": ["a"], "entities": [{"type": "X", "start": 0, "end": 2}]}',
            1,
            "tokens 0 to 2",
        ),
        (
            '{"tokens": ["a"], "entities": [{"type": "X", "start": 1, "end": 1}]}',
            1,
            "tokens 1 to 1",
        ),
        (
            '{"tokens": ["a"], "relations": [{"type": "X", "head": 0, "tail": 1}]}',
            1,
            "expected an index into the sentence's 0 entities",
        ),
        ('{"tokens": ["a"], "text": "a", "offsets": [[0, 2]]}', 1, "token 0 has offsets 0 to 2"),
        ('{"tokens": ["a"], "id": ' + "9" * 5000 + "}", 1, "a number of 5000 digits"),
    ],
)
def test_malformed_lines_are_refused(put, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason
