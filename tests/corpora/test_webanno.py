import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus

HEAD = """#FORMAT=WebAnno TSV 3.3
#T_SP=webanno.custom.Name|value
#T_RL=webanno.custom.Link|label|BT_webanno.custom.Name


"""


@pytest.fixture
def read(put, caplog):
    def reading(content, **options):
        path = put(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sentences = list(read_corpus(path, "webanno", **options))
        return sentences, [message.partition(": ")[2] for message in caplog.messages]

    return reading


def rows(*lines):
    return "".join("\t".join(line.split(" ")) + "\t\n" for line in lines)


def found(sentences):
    return [(e.type, s.surface(e)) for s in sentences for e in s.entities]


def triples(sentences):
    return [
        (s.surface(s.entities[r.head]), r.type, s.surface(s.entities[r.tail]))
        for s in sentences
        for r in s.relations
    ]


ADA = HEAD + "#Text=Ada Marek left Kesh.\n" + rows(
    "1-1 0-3 Ada Peop[1] _ _", "1-2 4-9 Marek Peop[1] _ _", "1-3 10-14 left _ _ _",
    "1-4 15-19 Kesh Loc Live_In 1-1[1_0]", "1-5 19-20 . _ _ _",
)  # fmt: skip


def test_spans_and_relations_are_read(read):
    sentences, log = read(ADA)
    assert found(sentences) == [("Peop", "Ada Marek"), ("Loc", "Kesh")]
    assert triples(sentences) == [("Ada Marek", "Live_In", "Kesh")]
    assert [s.id for s in sentences] == ["corpus:0-20"] and log == []


def test_annotations_may_be_stacked_and_related_twice(read):
    content = HEAD + "#Text=Ada saw Bob\n" + rows(
        "1-1 0-3 Ada A[1]|B[2] _ _", "1-2 4-7 saw _ _ _",
        "1-3 8-11 Bob A X|Y|* 1-1[1_0]|1-1[2_0]|1-1[2_0]",
    )  # fmt: skip
    sentences, log = read(content)
    assert found(sentences) == [("A", "Ada"), ("B", "Ada"), ("A", "Bob")]
    relations = [(r.type, r.head, r.tail) for r in sentences[0].relations]
    assert relations == [("X", 0, 2), ("Y", 1, 2), ("Link", 1, 2)]
    assert log == ["relations without a type, read as the name of their layer: 1"]


def test_parts_of_tokens_and_annotations_over_sentences(read):
    content = HEAD + "#Text=Un-happy\n" + rows(
        "1-1 0-8 Un-happy _ _ _", "1-1.1 3-8 happy Mood _ _", "1-1.2 3-3  Nothing _ _",
    ) + "\n#Text=me too\n" + rows("2-1 9-11 me X[7] _ _", "2-2 12-15 too X[7] _ _")  # fmt: skip
    sentences, log = read(content)
    # The tokenizer splits "Un-happy" or widens the mention; either way it ends with the word.
    assert [name for name, _ in found(sentences)] == ["Mood", "X"]
    assert found(sentences)[1] == ("X", "me too")
    assert "annotations without a text, left out: 1" in log
    crossing = ADA.replace("1-5\t19-20\t.\t_", "1-5\t19-20\t.\tX[3]") + "\n#Text=No.\n" + rows(
        "2-1 21-23 No X[3] _ _", "2-2 23-24 . _ _ _")  # fmt: skip
    sentences, _ = read(crossing)
    assert [s.text for s in sentences] == ["Ada Marek left Kesh.\nNo."]
    assert ("X", ".\nNo") in found(sentences)


@pytest.mark.parametrize(
    "places, offsets, counted",
    [
        # The emoji is two units, so that everything behind it is one further right.
        (["0-2", "3-6", "7-10"], None, "files whose offsets count UTF-16 units"),
        (["0-1", "2-5", "6-9"], None, None),
        (["0-1", "2-5", "6-9"], "codepoints", None),
        (["0-2", "3-6", "9-12"], None, "tokens with wrong offsets, whose words were found"),
    ],
)
def test_the_words_of_the_tokens_count(read, places, offsets, counted):
    units = HEAD + "#Text=😀 Ada Bob\n" + "".join(
        rows(f"1-{n} {place} {word} {kind} _ _")
        for n, place, word, kind in zip((1, 2, 3), places, ("😀", "Ada", "Bob"), "_PP")
    )  # fmt: skip
    sentences, log = read(units, offsets=offsets)
    assert found(sentences) == [("P", "Ada"), ("P", "Bob")]
    assert not log if counted is None else any(line.startswith(counted) for line in log)


@pytest.mark.parametrize("begin, offsets", [(2, "utf-16"), (1, "codepoints"), (1, None)])
def test_parts_of_tokens_behind_a_wide_character(read, begin, offsets):
    content = HEAD + "#Text=😀ab\n" + rows(
        f"1-1 0-{begin + 2} 😀ab _ _ _", f"1-1.1 {begin}-{begin + 2} ab P _ _")  # fmt: skip
    (sentence,), _ = read(content, offsets=offsets)
    assert sentence.text == "😀ab" and sentence.surface(sentence.entities[0]).endswith("ab")


def test_what_is_no_annotation_of_the_project_is_counted(read):
    content = """#FORMAT=WebAnno TSV 3.2
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue
#T_SP=webanno.custom.Host|ROLE_webanno.custom.Host:links_x|webanno.custom.Name|note|kind
#T_CH=webanno.custom.Chain|referenceRelation|referenceType
#T_RL=webanno.custom.Link||BT_de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Token

#Text=Ada left
""" + rows(
        "1-1 0-3 Ada NN role 1-2 good Peop * 1-1 _ _".replace("* 1-1", "*->1-1 *[1]"),
        "1-2 4-8 left VB _ _ _ _ _ _ * 1-1",
    )
    sentences, log = read(content)
    assert found(sentences) == [("Peop", "Ada")]
    pos = "'de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS'"
    assert log == [
        f"annotations of the layer {pos}, not used: 2",
        "elements of chains of the layer 'webanno.custom.Chain', not used: 1",
        "links of slot features, not used: 1",
        "relations of the layer 'webanno.custom.Link', not used: 1",
        "values of the feature 'note', not used: 1",
    ]


def test_values_and_texts_are_unescaped(read):
    content = HEAD + "#Text=a\\\\b\n" + rows(r"1-1 0-3 a\\b A\|B\_\[1\][1] _ _")
    (sentence,), _ = read(content)
    assert sentence.text == "a\\b" and sentence.entities[0].type == "A|B_[1]"
    # Without escapes, as older versions have it.
    (sentence,), _ = read(HEAD + "#Text=a\\tb\n" + rows(r"1-1 0-4 a\tb A _ _"))
    assert sentence.text == "a\tb"


def test_a_sentence_of_several_lines(read):
    (sentence,), _ = read(HEAD + "#Text=Ada\n#Text=left\n" + rows(
        "1-1 0-3 Ada P _ _", "1-2 4-8 left _ _ _"))  # fmt: skip
    assert sentence.text == "Ada\nleft"


@pytest.mark.parametrize(
    "change, line, reason",
    [
        (("TSV 3.3", "TSV 2"), 1, "expected #FORMAT=WebAnno TSV 3.x"),
        (("#T_SP=webanno.custom.Name|value", "#T_SP="), 2, "expected a layer"),
        (("|BT_webanno.custom.Name", ""), 3, "relations without a base"),
        (("Name|value", "Name|value|value"), 2, "a feature stands twice"),
        (("Kesh\tLoc\tLive_In", "Kesh"), 10, "5 columns separated by tabs; expected 6"),
        (("\tKesh\t", "\tKash\t"), 10, "the token 'Kash' does not follow in the sentence's text"),
        (("1-2\t4-9", "1-1\t4-9"), 8, "the token 1-1 stands twice"),
        (("1-2\t4-9", "x\t4-9"), 8, "expected a token such as 1-1"),
        (("1-2\t4-9", "1-2\t-4-9"), 8, "expected a token such as 1-1"),
        (("1-1[1_0]", "1-3[9_0]"), 10, "has an argument [9] at 1-3, but no annotation"),
        (("1-1[1_0]", "1-1[1_8]"), 10, "has an argument [8] at 1-4, but no annotation"),
        (("1-1[1_0]", "Ada"), 10, "a relation from 'Ada'; expected a token"),
        (("1-1[1_0]", "1-4[0_0]"), 10, "a relation 'Live_In' links a mention to itself"),
        (("Marek\tPeop[1]", "Marek\tLoc[1]"), 8, "[1] is 'Loc' here and 'Peop' in line 7"),
        (("Kesh\tLoc", "Kesh\tLoc|Loc"), 10, "several annotations of"),
        (("Kesh\tLoc\tLive_In", "Kesh\tLoc\tA|B"), 10, "different numbers of values"),
        (("Kesh\tLoc", "Kesh\tLoc\\"), 10, "expected values separated by |"),
        (("Kesh.\n", "Kesh. No.\n"), 11, "which goes on with 'No.'; is the file complete?"),
        (("1-5\t19-20", "2-1.1\t19-20"), 11, "a part of a token, 2-1.1, that is not before it"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, change, line, reason):
    content = ADA.replace(*change)
    assert content != ADA
    with pytest.raises(CorpusFormatError) as caught:
        read(content)
    assert caught.value.line == line and reason in caught.value.reason
    errors = []
    read(content, on_error=errors.append)
    assert line in [error.line for error in errors]


def test_huge_offsets_fill_no_memory(read):
    content = ADA + "\n#Text=No.\n" + rows("2-1 999999990-999999992 No P _ _",
                                           "2-2 999999992-999999993 . _ _ _")  # fmt: skip
    sentences, log = read(content)
    assert sentences[-1].id == "corpus:21-24"
    assert log == ["sentences whose offsets leave no space for them, moved: 1"]


def test_a_directory_of_documents(tmp_path):
    for name in ("b.tsv", "a/b.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ADA)
    assert detect_format(tmp_path) == "webanno"
    assert [s.id for s in read_corpus(tmp_path)] == ["a/b:0-20", "b:0-20"]
