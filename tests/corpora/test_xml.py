"""The XML formats: what they refuse, and with which words."""

import re

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus

XML = {"tac_adr": "tools/tac_adr.xml", "ddi": "tools/ddi.xml", "bioc": "tools/bioc.xml"}
ROOTS = {"tac_adr": "Label", "ddi": "document", "bioc": "collection"}


class Words:
    """One token for each word, one sentence for each text."""

    def split(self, texts):
        return [[[match.span() for match in re.finditer(r"\S+", text)]] for text in texts]


def read(path, format=None, **options):
    return list(read_corpus(path, format, tokenizer=Words(), **options))


@pytest.mark.parametrize("format, root", ROOTS.items())
@pytest.mark.parametrize(
    "declared",
    [
        # Ten entities of ten each, nine deep: a billion laughs.
        '<!ENTITY a0 "ha">'
        + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)),
        '<!ENTITY a9 SYSTEM "file:///etc/passwd">',
        '<!ENTITY a9 SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % a9 SYSTEM "file:///etc/passwd"> %a9;',
    ],
)
def test_entities_are_refused(put, format, root, declared):
    path = put(f"<!DOCTYPE {root} [{declared}]>\n<{root}>&a9;</{root}>")
    with pytest.raises(CorpusFormatError, match="declares entities or refers to files"):
        read(path, format)


def test_a_document_type_that_names_a_file_is_not_followed(corpora, put):
    content = (corpora / XML["bioc"]).read_text()
    path = put(f'<!DOCTYPE collection SYSTEM "BioC.dtd">{content}')
    assert detect_format(path) == "bioc"
    assert read(path) == read(corpora / XML["bioc"])


@pytest.mark.parametrize("format, root", ROOTS.items())
@pytest.mark.parametrize(
    "content, line, reason",
    [
        ("<{root}>\n<b></{root}>", 2, "not well-formed XML: mismatched tag"),
        ("<{root}>\n<b/>", 2, "not well-formed XML: no element found"),
        ("<other/>", 1, "the outermost element is <other>; expected <{root}>"),
        ("<{root}>\n" + "<x>" * 60, 2, "elements nested more than 50 deep"),
    ],
)
def test_damaged_xml_is_an_error_with_its_line(put, format, root, content, line, reason):
    path = put(content.replace("{root}", root))
    with pytest.raises(CorpusFormatError) as caught:
        read(path, format)
    assert caught.value.line == line
    assert reason.replace("{root}", root) in caught.value.reason


@pytest.mark.parametrize(
    "format, old, new, reason",
    [
        ("tac_adr", ' len="6"', "", "<Mention> with the id 'M1' lacks the attribute 'len'"),
        ("tac_adr", 'id="M2"', 'id="M1"', "'M1' has an id that stands twice in its file"),
        ("tac_adr", 'arg1="M2"', 'arg1="M99"', "has arg1 'M99', but no mention has this id"),
        ("tac_adr", 'section="S2"', 'section="S9"', "is of section 'S9', which the text lacks"),
        ("tac_adr", 'len="9,3"', 'len="9"', "has 2 numbers in start and 1 in len"),
        ("tac_adr", 'start="', 'start="-', "expected a number of up to 9 digits"),
        ("tac_adr", 'str="severe"', 'str="mild"', "the mention 'mild' has the offsets"),
        ("ddi", 'charOffset="0-7"', 'charOffset="7"', "expected numbers such as 3-8"),
        ("ddi", 'ddi="true"', 'ddi="maybe"', "has ddi 'maybe'; expected true or false"),
        ("ddi", 'e1="Own.d1.s0.e0"', 'e1="x"', "has e1 'x', but no entity has this id"),
        ("ddi", 'text="Warfarol"', 'text="Water"', "the mention 'Water' has the offsets"),
        ("bioc", '<annotation id="1">', '<annotation id="0">', "'0' of document '10000001' has an"),
        ("bioc", 'offset="0" length', 'offset="999999999" length', "has the offsets"),
        ("bioc", 'offset="0" length', 'offset="-1" length', "expected a number of up to 9 digits"),
        ("bioc", "<offset>0", "<offset>x", "the offset of the <passage> is 'x'"),
        ("bioc", "<text>Nervelin</text></", "<text>Water</text></", "the mention 'Water' has"),
    ],
)
def test_what_does_not_fit_is_named(corpora, put, format, old, new, reason):
    content = (corpora / XML[format]).read_text()
    assert old in content
    path = put(content.replace(old, new, 1))
    with pytest.raises(CorpusFormatError) as caught:
        read(path, format)
    assert reason in caught.value.reason
    assert caught.value.line is not None
    # The rest is read where errors are taken.
    errors = []
    assert read(path, format, on_error=errors.append)
    assert str(errors[0]) == str(caught.value)


@pytest.mark.parametrize("format, name", XML.items())
def test_a_directory_of_files_is_read(corpora, tmp_path, format, name):
    content = (corpora / name).read_bytes()
    (tmp_path / "in").mkdir()
    for part in ("b.xml", "in/a.xml"):
        (tmp_path / part).write_bytes(content)
    assert detect_format(tmp_path) == format
    assert read(tmp_path) == 2 * read(corpora / name)


def test_a_directory_without_xml_says_so(tmp_path):
    with pytest.raises(CorpusFormatError, match="no .xml file in this directory"):
        read(tmp_path, "ddi")


def test_the_sentences_of_ddi_are_those_of_the_file(corpora):
    texts = [sentence.text.strip() for sentence in read(corpora / XML["ddi"])]
    assert texts[2:4] == [
        "It is said that Lemonin is safe",
        "Patients who take Aspirex have more Lemonin in their blood.",
    ]


@pytest.mark.parametrize("lines", [1, 2, 3, 10, 100])
def test_a_tag_over_many_lines_ends_the_file(put, lines):
    # Newer versions of expat put off a tag that is not complete, and with it the end of the file.
    words = "\n".join(f"word{number} " * 100 for number in range(lines))
    path = put(f'<document id="d">\n<sentence id="s" text="{words}\n end"/></document>')
    (sentence,) = read(path, "ddi")
    assert sentence.tokens == (*words.split(), "end")


def test_documents_before_an_error_in_their_line_are_read(put):
    content = "<passage><offset>0</offset><text>Some words</text></passage>"
    good = f"<document><id>{{}}</id>{content}</document>"
    path = put(f"<collection>{good.format('a')}{good.format('b')}<document></broken>")
    errors = []
    ids = [sentence.id for sentence in read(path, "bioc", on_error=errors.append)]
    assert [id.partition(":")[0] for id in ids] == ["a", "b"]
    assert "not well-formed XML: mismatched tag" in str(errors[0])


@pytest.mark.parametrize(
    "format, old, reason",
    [
        ("tac_adr", ' type="AdverseReaction"', "lacks the attribute 'type'"),
        ("tac_adr", ' str="severe"', "lacks the attribute 'str'"),
        ("ddi", ' type="drug"', "lacks the attribute 'type'"),
        ("ddi", ' text="Warfarol"', "lacks the attribute 'text'"),
    ],
)
def test_relations_of_a_mention_with_an_error_are_errors_too(corpora, put, format, old, reason):
    """They must not be taken for those of another mention."""
    content = (corpora / XML[format]).read_text()
    assert old in content
    path = put(content.replace(old, "", 1))
    errors = []
    found = read(path, format, on_error=errors.append)
    whole = read(corpora / XML[format], format)
    assert reason in str(errors[0])
    assert any("has this id" in str(error) for error in errors[1:])

    def triples(sentences):
        return {
            (r.type, *(s.surface(s.entities[place]) for place in (r.head, r.tail)))
            for s in sentences
            for r in s.relations
        }

    assert triples(found) < triples(whole)
