import gzip
import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus, write_corpus
from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import sentences_of
from joint_ner_re.sentence import Entity, Relation, Sentence

TEXT = "Ada Marek left Kesh. Bob,\nwho stayed, wept.\n"
ANN = (
    "T1\tPeop 0 9\tAda Marek\n"
    "T2\tLoc 15 19\tKesh\n"
    "T3\tPeop 21 24\tBob\n"
    "R1\tLive_In Arg1:T1 Arg2:T2\t\n"
)


class Words:
    """Splits at white space; sentences end with words that end in a full stop."""

    def split(self, texts):
        for text in texts:
            sentences = [[]]
            for match in re.finditer(r"\S+", text):
                sentences[-1].append(match.span())
                if match.group().endswith("."):
                    sentences.append([])
            yield [sentence for sentence in sentences if sentence]


@pytest.fixture
def put(tmp_path):
    """Writes a document and returns its directory."""

    def write(annotations, text=TEXT, name="a"):
        directory = tmp_path / "brat"
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        for suffix, content in ((".txt", text), (".ann", annotations)):
            if content is not None:
                content = content if isinstance(content, bytes) else content.encode()
                (directory / f"{name}{suffix}").write_bytes(content)
        return directory

    return write


def read(path, **options):
    return list(read_corpus(path, **options))


def test_a_directory_is_brats_and_its_documents_come_in_order_of_their_names(put):
    put(ANN, name="b/two")
    path = put("", "It rained.", name="one")
    assert detect_format(path) == "brat"
    sentences = read(path)
    assert [s.id for s in sentences] == ["b/two:0-21", "b/two:21-44", "one:0-10"]
    first = sentences[0]
    assert first.tokens == ("Ada", "Marek", "left", "Kesh", ".")
    assert first.entities == (Entity("Peop", 0, 2), Entity("Loc", 3, 4))
    assert first.relations == (Relation("Live_In", 0, 1),)
    assert sentences[1].text == "Bob,\nwho stayed, wept.\n"
    assert first.source == f"{path / 'b' / 'two.ann'}:1"
    assert sentences[1].source.endswith("two.ann:3")


@pytest.mark.parametrize("suffix", [".txt", ".ann"])
def test_one_document_can_be_read_by_either_of_its_files(put, suffix):
    path = put(ANN) / f"a{suffix}"
    assert detect_format(path) == "brat"
    assert read(path) == read(path.parent)


def test_documents_may_be_compressed(put):
    plain = read(put(ANN))
    path = put(gzip.compress(ANN.encode()), gzip.compress(TEXT.encode()), "a")
    for suffix in (".txt", ".ann"):
        (path / f"a{suffix}").rename(path / f"a{suffix}.gz")
    assert read(path) == plain
    assert read(path / "a.ann.gz") == plain


def test_whole_documents_are_one_sentence(put):
    (sentence,) = read(put(ANN + "R2\tKnows Arg1:T3 Arg2:T1\n"), unit="document")
    assert (sentence.id, sentence.text) == ("a", TEXT)
    assert [r.type for r in sentence.relations] == ["Live_In", "Knows"]


@pytest.mark.parametrize("arguments", ["Arg1:T1 Arg2:T2", "Arg2:T2 Arg1:T1", "Who:T1 Where:T2"])
def test_arguments_are_told_by_number_or_order(put, arguments):
    (sentence, _) = read(put(ANN.replace("Arg1:T1 Arg2:T2\t", arguments)))
    assert sentence.relations == (Relation("Live_In", 0, 1),)


def test_relations_may_stand_before_their_mentions(put):
    lines = ANN.splitlines(keepends=True)
    assert read(put("".join(lines[3:] + lines[:3]))) == read(put(ANN))


def test_what_is_not_used_is_counted_once_for_all_documents(put, caplog):
    put(ANN + "E1\tMove:T1 To:T2\nA1\tPast R1\nM1\tSure T1\n*\tEquiv T1 T3\n", name="b")
    path = put(
        ANN + "N1\tReference T1 Wikipedia:5\tAda\n#1\tAnnotatorNotes T1\twhy?\nA1\tPast R1\n"
        "R2\tKnows Arg1:T3 Arg2:T1\nR3\tCause Arg1:E1 Arg2:T1\n\n"
    )
    put(None, "nobody has annotated this", name="c")
    assert len(read(path)) == 4
    assert sorted(message.partition(": ")[2] for message in caplog.messages) == [
        ".txt files without an .ann file, left out: 1",
        "attributes, not used: 3",
        "equivalences, not used: 1",
        "events, not used: 1",
        "normalisations, not used: 1",
        "notes, not used: 1",
        "relations from one sentence to another, left out: 1",
        "relations of events, left out: 1",
    ]


PIECES = ANN.replace("T1\tPeop 0 9\tAda Marek", "T1\tPeop 0 3;10 14\tAda left")


@pytest.mark.parametrize(
    "discontinuous, entities, relations, counted",
    [
        (
            "drop",
            [("Loc", 3, 4)],
            [],
            ["left out: 1", "relations of mentions that were left out: 1"],
        ),
        (
            "cover",
            [("Peop", 0, 3), ("Loc", 3, 4)],
            [(0, 1)],
            ["read with the words between the pieces: 1"],
        ),
        (
            "first",
            [("Peop", 0, 1), ("Loc", 3, 4)],
            [(0, 1)],
            ["of which the first piece was read: 1"],
        ),
        (
            "split",
            [("Peop", 0, 1), ("Peop", 2, 3), ("Loc", 3, 4)],
            [(0, 2), (1, 2)],
            ["read as one mention for each piece: 1"],
        ),
    ],
)
def test_mentions_in_pieces_are_read_as_the_option_says_and_counted(
    put, caplog, discontinuous, entities, relations, counted
):
    (first, _) = read(put(PIECES), discontinuous=discontinuous)
    assert [entity.key for entity in first.entities] == entities
    assert [(r.head, r.tail) for r in first.relations] == relations
    found = [message.partition(": ")[2] for message in caplog.messages]
    assert found == [f"discontinuous mentions, {counted[0]}", *counted[1:]]


def test_mentions_in_pieces_are_left_out_by_default(put):
    assert read(put(PIECES)) == read(put(PIECES), discontinuous="drop")


def test_an_unknown_way_to_read_mentions_in_pieces_names_the_known_ones(put):
    with pytest.raises(ValueError, match="'join'; expected one of drop, cover, first, split"):
        read(put(ANN), discontinuous="join")


def test_what_is_left_out_need_not_match_the_text(put):
    path = put(PIECES.replace("Ada left", "Ada  Marek"))
    assert len(read(path)) == 2
    for discontinuous in ("cover", "first", "split"):
        with pytest.raises(CorpusFormatError, match="a.ann:1: the mention 'Ada  Marek' has"):
            read(path, discontinuous=discontinuous)


def test_pieces_may_stand_in_any_order(put):
    path = put(PIECES.replace("0 3;10 14\tAda left", "10 14;0 3\tleft Ada"))
    (first, _) = read(path, discontinuous="cover")
    assert first.entities[0] == Entity("Peop", 0, 3)


def test_a_mention_has_at_most_twenty_pieces(put):
    text = "a b " * 21
    places = [4 * number for number in range(21)]
    line = "T1\tX {}\t{}\n"

    def ann(places):
        return line.format(";".join(f"{p} {p + 1}" for p in places), " ".join("a" * len(places)))

    with pytest.raises(CorpusFormatError, match="a mention of 21 pieces; expected at most 20"):
        read(put(ann(places), text), discontinuous="split")
    (sentence,) = read(put(ann(places[:20]), text), discontinuous="split")
    assert len(sentence.entities) == 20


def test_words_that_no_mention_has_are_not_looked_for(put):
    """Looking for a million of them would take many seconds and gigabytes."""
    path = put(f"T1\tPer 0 3\t{'word ' * 1_000_000}\n")
    begin = time.process_time()
    with pytest.raises(CorpusFormatError, match="a.ann:1: the mention 'word word .* offsets 0 3"):
        read(path)
    assert time.process_time() - begin < 3


def test_a_wrong_place_is_put_right_where_the_words_stand_nearby(put, caplog):
    (first, _) = read(put("T1\tLoc 12 16\tKesh\nT2\tPeop 3 12\tAda Marek\n"))
    assert [first.surface(entity) for entity in first.entities] == ["Kesh", "Ada Marek"]
    assert "mentions at a wrong place, found again near it: 2" in caplog.text


@pytest.mark.parametrize(
    "text, line",
    [
        # Too far away; in two places, as near as each other; a part of a word only.
        ("Ada " + "x " * 20 + "Bob", "T1\tPeop 0 3\tBob\n"),
        ("Bob x Bob", "T1\tPeop 3 6\tBob\n"),
        ("Bobby left", "T1\tPeop 1 4\tBob\n"),
    ],
)
def test_a_wrong_place_is_refused_where_the_right_one_is_not_clear(put, text, line):
    with pytest.raises(CorpusFormatError, match="'Bob' has the offsets"):
        read(put(line, text))


def test_a_mention_over_the_end_of_a_line_is_one(put, caplog):
    (_, second) = read(put("T1\tPeop 21 25;26 29\tBob, who\n"))
    assert second.entities == (Entity("Peop", 0, 3),)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "text, ann",
    [
        # Offsets that count both characters of a Windows line end, and those that count one.
        ("Ada\r\nleft\r\nKesh.", "T1\tLoc 11 15\tKesh\n"),
        ("Ada\r\nleft\r\nKesh.", "T1\tLoc 9 13\tKesh\n"),
        ("\ufeffAda left Kesh.", "T1\tLoc 9 13\tKesh\n"),
        ("\ufeffAda left Kesh.", "T1\tLoc 10 14\tKesh\n"),
    ],
)
def test_line_ends_and_byte_order_marks_are_counted_as_the_annotations_do(put, text, ann):
    (sentence,) = read(put(ann, text))
    assert [sentence.surface(entity) for entity in sentence.entities] == ["Kesh"]
    assert read(put(ann.replace("\n", "\r\n"), text)) == [sentence]


@pytest.mark.parametrize(
    "ann, line, reason",
    [
        ("T1\tPeop 0 3\tBob\n", 1, "'Bob' has the offsets 0 3, where the text has 'Ada'"),
        ("\nT1\tPeop 0 99\tBob\n", 2, "has the offsets 0 99"),
        ("T1\tPeop 3 3\t\n", 1, "was the text changed after it was annotated?"),
        ("T1\tPeop 3 4\t \n", 1, "the mention ' ' at 3 to 4 contains no word"),
        (ANN + "T1\tPeop 0 3\tAda\n", 5, "the id T1 is already in line 1"),
        (ANN + "R1\tKnows Arg1:T1 Arg2:T2\n", 5, "the id R1 is already in line 4"),
        (ANN + "R2\tKnows Arg1:T1 Arg2:T9\n", 5, "R2 has the argument T9, which no line defines"),
        (ANN + "R2\tKnows Arg1:T1 Arg2:T1\n", 5, "a relation 'Knows' links a mention to itself"),
        (ANN + "R2\tKnows Arg1:T1\n", 5, "expected a line such as 'T1<tab>TYPE BEGIN END"),
        (ANN + "T9 Peop 0 3 Ada\n", 5, "found 'T9 Peop 0 3 Ada'"),
        (ANN + "T9\tPeop\t0\t3\tAda\n", 5, "found 'T9\\tPeop"),
        ("prose\n", 1, "found 'prose'"),
        (b"T1\tPeop 0 3\t\xff\n", 1, "which is not UTF-8"),
    ],
)
def test_errors_name_file_and_line(put, ann, line, reason):
    path = put(ann)
    with pytest.raises(CorpusFormatError) as caught:
        read(path)
    assert (caught.value.path, caught.value.line) == (str(path / "a.ann"), line)
    assert reason in caught.value.reason


def test_files_that_are_missing_are_named(put, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusFormatError, match="no .ann file in this directory"):
        read(tmp_path / "empty")
    path = put(ANN, None)
    with pytest.raises(CorpusFormatError, match="a.ann:1: there is no a.txt beside it"):
        read(path)
    with pytest.raises(CorpusFormatError, match="b.ann: there is no such file"):
        read(put(None, "text", "b") / "b.txt", format="brat")


def test_with_a_handler_all_errors_are_found_and_the_rest_is_read(put):
    put("prose\n", name="0")
    put(
        ANN + "T4\tLoc 0 3\tBob\nnonsense\nR2\tX Arg1:T4 Arg2:T8\nR3\tX Arg1:T4 Arg2:T1\n", name="1"
    )
    path = put(ANN, None, "2")
    errors = []
    sentences = read(path, on_error=errors.append)
    assert sorted((e.path[len(str(path)) + 1 :], e.line) for e in errors) == [
        ("0.ann", 1), ("1.ann", 5), ("1.ann", 6), ("1.ann", 7), ("2.ann", 1),
    ]  # fmt: skip
    assert [s.id for s in sentences] == ["1:0-21", "1:21-44"]
    assert len(sentences[0].entities) == 2


# Writing


def test_sentences_of_a_document_become_the_document_again(put, tmp_path):
    path = put(ANN)
    assert write_corpus(read_corpus(path), tmp_path / "out", "brat") == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.ann", "a.txt"]
    assert (tmp_path / "out" / "a.txt").read_text() == TEXT
    lines = (tmp_path / "out" / "a.ann").read_text().splitlines()
    assert sorted(lines) == sorted(ANN.splitlines())


def test_scores_are_notes_and_are_read_back(tmp_path):
    sentence = Sentence(
        ["Ada", "Kesh"], [Entity("P", 0, 1, 0.5), Entity("L", 1, 2, 1e-6)],
        [Relation("R", 0, 1, 1.0)], "a:0-8", "Ada Kesh", [(0, 3), (4, 8)],
    )  # fmt: skip
    write_corpus([sentence], tmp_path / "out", "brat")
    assert (tmp_path / "out" / "a.ann").read_text().splitlines() == [
        "T1\tP 0 3\tAda",
        "#1\tAnnotatorNotes T1\tscore 0.5",
        "T2\tL 4 8\tKesh",
        "#2\tAnnotatorNotes T2\tscore 0.000001",
        "R1\tR Arg1:T1 Arg2:T2\t",
        "#3\tAnnotatorNotes R1\tscore 1.0",
    ]
    assert read(tmp_path / "out") == [sentence]


def test_a_score_of_nothing_is_counted(put, caplog):
    directory = put("T1\tP 0 3\tAda\n#1\tAnnotatorNotes T9\tscore 0.5\n", "Ada")
    assert [e.score for s in read(directory) for e in s.entities] == [None]
    assert "scores of undefined annotations, not used: 1" in caplog.text


def test_what_brat_cannot_hold_is_changed_and_counted(tmp_path, caplog):
    sentences = [
        Sentence(["Ada", "left"], [Entity("Adverse Effect", 0, 2)], id="../evil:name"),
        Sentence(["Ada", ""], [Entity("X", 1, 2), Entity("X", 0, 1)], [Relation("R", 0, 1)]),
        Sentence([]),
        Sentence(["a"], id="."),
        Sentence(["a"], id="DOCUMENT"),
        Sentence(["bb"], id="gone:120-122", text="bb", offsets=[(0, 2)]),
    ]
    assert write_corpus(sentences, tmp_path / "out", "brat") == 6
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.txt"))
    assert names == [
        "out/DOCUMENT-4.txt", "out/document-2.txt", "out/document-3.txt", "out/document.txt",
        "out/evil_name.txt", "out/gone_120-122.txt",
    ]  # fmt: skip
    assert (tmp_path / "out/evil_name.ann").read_text() == "T1\tAdverse_Effect 0 8\tAda left\n"
    assert (tmp_path / "out/document.ann").read_text() == "T1\tX 0 3\tAda\n"
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "entities without a character, left out: 1",
        "white space in types, changed to _: 1",
    ]


def test_writing_replaces_nothing_and_leaves_nothing_half_done(tmp_path, put):
    path = put(ANN)
    with pytest.raises(FileExistsError, match="expected a new or an empty directory"):
        write_corpus(read_corpus(path), path, "brat")

    def broken():
        yield Sentence(["a"])
        raise KeyboardInterrupt

    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_corpus(broken(), tmp_path / "empty", "brat")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["brat", "empty"]
    assert write_corpus([Sentence(["a"], id="x")], tmp_path / "empty", "brat") == 1
    assert read(tmp_path / "empty")[0].tokens == ("a",)


texts = st.text("ab.\n\r \u2028é\N{GRINNING FACE}", min_size=1, max_size=40).filter(str.strip)


@st.composite
def documents(draw):
    text = draw(texts)
    spans = draw(st.lists(st.tuples(*[st.integers(0, len(text))] * 2), max_size=5))
    scores = st.none() | st.floats(0, 1)
    types = st.sampled_from(["X", "Y-z", "É"])
    mentions = [
        Mention(1, draw(types), begin, end, draw(scores))
        for begin, end in spans
        if text[begin:end].strip()
    ]
    places = st.integers(0, max(0, len(mentions) - 1))
    links = draw(st.lists(st.tuples(types, places, places, scores), max_size=4)) if mentions else []
    return text, mentions, [Link(1, *link) for link in links if link[1] != link[2]]


@given(corpus=st.lists(documents(), max_size=3), unit=st.sampled_from(["sentence", "document", 2]))
def test_written_documents_read_back_equal(tmp_path_factory, corpus, unit):
    path = tmp_path_factory.mktemp("round") / "out"
    made = [Document("x", 1, f"d{n}", *document) for n, document in enumerate(corpus)]
    sentences = list(sentences_of(made, Words(), unit, Counter()))
    assert write_corpus(sentences, path, "brat") == len(sentences)
    found = read(path, tokenizer=Words(), unit=unit) if sentences else []
    assert found == sentences
    for n, (text, _, _) in enumerate(corpus):
        assert (path / f"d{n}.txt").read_bytes() == text.encode()
