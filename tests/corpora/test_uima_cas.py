"""XMI and JSON of UIMA's CAS, as INCEpTION writes them, and as strangers may."""

import io
import json
import logging
import sys
import zipfile

import pytest

from joint_ner_re.commands.endings import is_expected
from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus, uima_cas

NAME, LINK = "webanno.custom.Name", "webanno.custom.Link"
TYPES = f"""<?xml version="1.0" encoding="UTF-8"?>
<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier"><types>
<typeDescription><name>{NAME}</name><description/><supertypeName>uima.tcas.Annotation</supertypeName>
 <features><featureDescription><name>value</name><description/><rangeTypeName>uima.cas.String</rangeTypeName></featureDescription></features></typeDescription>
<typeDescription><name>{LINK}</name><description/><supertypeName>uima.tcas.Annotation</supertypeName>
 <features><featureDescription><name>label</name><description/><rangeTypeName>uima.cas.String</rangeTypeName></featureDescription>
 <featureDescription><name>Governor</name><description/><rangeTypeName>{NAME}</rangeTypeName></featureDescription>
 <featureDescription><name>Dependent</name><description/><rangeTypeName>{NAME}</rangeTypeName></featureDescription></features></typeDescription>
</types></typeSystemDescription>"""  # noqa: E501
XMI = """<?xml version="1.0" encoding="UTF-8"?>
<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmlns:cas="http:///uima/cas.ecore"
 xmlns:custom="http:///webanno/custom.ecore" xmi:version="2.0"><cas:NULL xmi:id="0"/>
<custom:Name xmi:id="7" sofa="1" begin="0" end="3" value="Peop"/>
<custom:Name xmi:id="8" sofa="1" begin="9" end="13" value="Loc"/>
<custom:Link xmi:id="9" sofa="1" begin="9" end="13" Governor="7" Dependent="8" label="Live_In"/>
<cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" mimeType="text" sofaString="Ada left Kesh."/>
<cas:View sofa="1" members="7 8 9"/></xmi:XMI>"""
FEATURE = {"%NAME": "value", "%RANGE": "uima.cas.String"}
CAS = {
    "%TYPES": {
        NAME: {"%NAME": NAME, "%SUPER_TYPE": "uima.tcas.Annotation", "value": FEATURE},
        LINK: {
            "%NAME": LINK,
            "%SUPER_TYPE": "uima.tcas.Annotation",
            "label": {"%NAME": "label", "%RANGE": "uima.cas.String"},
            "Governor": {"%NAME": "Governor", "%RANGE": NAME},
            "Dependent": {"%NAME": "Dependent", "%RANGE": NAME},
        },
    },
    "%FEATURE_STRUCTURES": [
        {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaNum": 1, "sofaID": "_InitialView",
         "mimeType": "text", "sofaString": "Ada left Kesh."},
        {"%ID": 7, "%TYPE": NAME, "@sofa": 1, "begin": 0, "end": 3, "value": "Peop"},
        {"%ID": 8, "%TYPE": NAME, "@sofa": 1, "begin": 9, "end": 13, "value": "Loc"},
        {"%ID": 9, "%TYPE": LINK, "@sofa": 1, "begin": 9, "end": 13, "@Governor": 7,
         "@Dependent": 8, "label": "Live_In"},
    ],
    "%VIEWS": {"_InitialView": {"%SOFA": 1, "%MEMBERS": [7, 8, 9]}},
}  # fmt: skip


@pytest.fixture
def read(tmp_path, caplog):
    def reading(content, types=TYPES, **options):
        path = tmp_path / "report.xmi"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        if types is not None:
            (tmp_path / "TypeSystem.xml").write_text(types)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sentences = list(read_corpus(path, "uima_cas", **options))
        return sentences, [message.partition(": ")[2] for message in caplog.messages]

    return reading


def content(sentences):
    return [
        (
            s.text,
            [(e.type, s.surface(e)) for e in s.entities],
            [(r.type, r.head, r.tail) for r in s.relations],
        )
        for s in sentences
    ]


EXPECTED = [("Ada left Kesh.", [("Peop", "Ada"), ("Loc", "Kesh")], [("Live_In", 0, 1)])]


@pytest.mark.parametrize("cas", [XMI, CAS])
def test_spans_and_relations_are_read(read, cas):
    sentences, log = read(cas, TYPES if cas is XMI else None)
    assert content(sentences) == EXPECTED and log == []
    assert sentences[0].id == "report:0-14"
    assert sentences[0].source.endswith("report.xmi:4" if cas is XMI else "report.xmi:1")


def test_the_same_document_from_all_exports_of_inception(corpora):
    tsv = content(read_corpus(corpora / "tools/webanno.tsv"))
    assert len(tsv) == 6
    for name in ("uima_cas.json", "uima", "uima/report.xmi"):
        assert detect_format(corpora / "tools" / name) == "uima_cas"
        assert content(read_corpus(corpora / "tools" / name)) == tsv


def packed(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_archives_hold_the_type_system_beside_the_document(put):
    inner = packed({"eve.xmi": XMI, "TypeSystem.xml": TYPES})
    path = put(packed({"annotation/a.txt/eve.zip": inner, "annotation/b.txt/eve.zip": inner}))
    assert detect_format(path) == "uima_cas"
    sentences = list(read_corpus(path))
    assert content(sentences) == 2 * EXPECTED
    assert [s.id for s in sentences] == ["a.txt/eve:0-14", "b.txt/eve:0-14"]
    assert content(read_corpus(put(packed({"a.json": json.dumps(CAS)})))) == EXPECTED


def test_what_is_no_mention_is_counted(read):
    cas = XMI.replace('value="Loc"', 'value=""').replace(' label="Live_In"', "")
    cas = cas.replace('begin="0" end="3"', 'begin="0" end="0"')
    sentences, log = read(cas)
    assert content(sentences) == [("Ada left Kesh.", [("Name", "Kesh")], [])]
    assert log == [
        "annotations without a text, left out: 1",
        "annotations without a type, read as the name of their layer: 1",
        "relations of mentions that were left out: 1",
        "relations without a type, read as the name of their layer: 1",
    ]


@pytest.mark.parametrize(
    "begin, end, offsets, word",
    [(8, 12, None, "rash"), (5, 9, None, "rash"), (8, 12, "utf-16", "rash"),
     (5, 9, "codepoints", "rash")],
)  # fmt: skip
def test_offsets_count_utf_16_units_unless_the_file_shows_otherwise(
    read, begin, end, offsets, word
):
    # Three emoji and a blank: "rash" is at 5 in characters and at 8 in units.
    cas = XMI.replace("Ada left Kesh.", "😀😀😀 a rash").replace(' Governor="7"', ' Governor="8"')
    begin, end = begin + 1, end + 1
    cas = cas.replace('begin="9" end="13" value', f'begin="{begin}" end="{end}" value')
    cas = cas.replace('members="7 8 9"', 'members="8"')
    sentences, _ = read(cas, offsets=offsets)
    assert [s.surface(e) for s in sentences for e in s.entities] == [word]


def test_the_standard_decides_where_the_mentions_show_nothing(read):
    # Both the units and the characters 3 to 4 are inside of the word.
    cas = XMI.replace("Ada left Kesh.", "😀aaaaaaaa").replace('members="7 8 9"', 'members="8"')
    cas = cas.replace('begin="9" end="13" value', 'begin="4" end="5" value')
    sentences, log = read(cas)
    assert len(sentences[0].entities) == 1
    assert "files whose offsets were read as UTF-16 units, as their format says: 1" in log


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'


@pytest.mark.parametrize("declaration", [BOMB, FILE])
@pytest.mark.parametrize("where", ["document", "type system"])
def test_entities_are_refused_before_another_parser_sees_them(
    read, monkeypatch, declaration, where
):
    monkeypatch.setattr(uima_cas._Reader, "__init__", lambda *_: pytest.fail("it was read"))
    xmi, types = XMI, TYPES
    if where == "document":
        xmi = XMI.replace("<xmi:XMI", declaration + "<xmi:XMI").replace('"Peop"', '"&b;"')
    else:
        types = TYPES.replace("<typeSystem", declaration + "<typeSystem", 1)
    with pytest.raises(CorpusFormatError, match="declares entities or refers to files"):
        read(xmi, types)


def test_another_parser_gets_no_text_and_no_declaration(read, monkeypatch):
    seen = []
    import cassis

    original = cassis.load_cas_from_xmi
    monkeypatch.setattr(
        cassis, "load_cas_from_xmi",
        lambda source, typesystem: seen.append(source.getvalue()) or original(source, typesystem),
    )  # fmt: skip
    tricky = XMI.replace('"Peop"', "'x sofaString=\"Ada\"'")
    (sentence,), _ = read(tricky)
    assert sentence.entities[0].type == 'x sofaString="Ada"'
    assert b"Ada left" not in seen[0] and not seen[0].startswith(b"<?xml")


def changed(index, **values):
    structures = [dict(item) for item in CAS["%FEATURE_STRUCTURES"]]
    structures[index].update(values)
    return {**CAS, "%FEATURE_STRUCTURES": structures}


def without(index, key):
    structures = [dict(item) for item in CAS["%FEATURE_STRUCTURES"]]
    del structures[index][key]
    return {**CAS, "%FEATURE_STRUCTURES": structures}


@pytest.mark.parametrize(
    "cas, reason",
    [
        (XMI.replace('id="8"', 'id="7"'), "has the id 7, which stands twice"),
        (XMI.replace('Dependent="8"', 'Dependent="77"'), "no CAS that dkpro-cassis can read"),
        (XMI.replace(' Dependent="8"', ""), "has no Dependent; expected an annotation"),
        (XMI.replace('begin="0"', 'begin="-5"'), "has the offsets -5 to 3"),
        (XMI.replace('end="13" value', 'end="999999999" value'), "the offsets 9 to 999999999"),
        (XMI.replace('end="13" value', 'end="9999999999" value'), "a number of up to 9 digits"),
        (XMI.replace(' end="13" value', " value"), "has no place; expected begin and end"),
        (XMI.replace(' sofaString="Ada left Kesh."', ""), "a CAS without a text; expected one"),
        (XMI.replace("custom:Name", "custom:Other"), "does the type system belong to it"),
        (XMI.replace('members="7 8 9"', 'members="7 8 9' + 99 * " 7" + '"'), "more members than"),
        (XMI.replace('Governor="7"', 'Governor="8"'), "links a mention to itself"),
        (XMI[:-20], "not well-formed XML"),
        (changed(1, **{"%ID": 8}), "the %ID 8 of a feature structure stands twice"),
        (changed(1, begin=-1), "has the offsets -1 to 3"),
        (changed(1, end=10**17), f"has the offsets 0 to {10**17}"),
        (changed(1, begin="0"), "holds \"0\"; expected an integer"),
        (changed(1, **{"%TYPE": "x.Y"}), "no CAS that dkpro-cassis can read"),
        (changed(3, **{"@Governor": 99}), "has no Governor; expected an annotation"),
        (changed(3, **{"@Governor": 9, "@Dependent": 9}), None),
        (without(0, "sofaString"), "a CAS without a text"),
        ({**CAS, "%VIEWS": {"_InitialView": {"%MEMBERS": 99 * [7]}}}, "more members than there"),
        ({**CAS, "%VIEWS": {"_InitialView": {"%MEMBERS": [77]}}}, "no CAS that dkpro-cassis"),
        ({**CAS, "%TYPES": []}, "the key '%TYPES' of the CAS holds []; expected an object"),
        ({**CAS, "%TYPES": {"a.A": {"%SUPER_TYPE": "a.B"}, "a.B": {"%SUPER_TYPE": "a.A"}}},
         "inherits from itself"),
        ({**CAS, "%TYPES": {f"a.T{n}": {"%SUPER_TYPE": f"a.T{n + 1}"} for n in range(500)}},
         "expected at most 100000"),
    ],
)  # fmt: skip
def test_errors_name_the_file_and_can_be_passed_over(read, cas, reason):
    if reason is None:
        # A relation of itself, which is counted as one of no mentions.
        assert read(cas)[1] == ["relations of what is no mention, left out: 1"]
        return
    with pytest.raises(CorpusFormatError) as caught:
        read(cas)
    assert reason in caught.value.reason and caught.value.line >= 1
    errors = []
    read(cas, on_error=errors.append)
    assert len(errors) == 1


EVIL = "x=(__import__('os').system('touch evaluated'))"


@pytest.mark.parametrize("name", [EVIL, "class", "a b", "__init__", "é", ""])
def test_names_that_would_be_run_are_refused_before_another_parser_sees_them(
    read, monkeypatch, name
):
    monkeypatch.setattr(uima_cas._Reader, "__init__", lambda *_: pytest.fail("it was read"))
    types = {**CAS["%TYPES"], NAME: {"%SUPER_TYPE": "uima.tcas.Annotation", name: FEATURE}}
    expected = "expected a name that is no word of Python"
    with pytest.raises(CorpusFormatError, match=expected):
        read({**CAS, "%TYPES": types})
    with pytest.raises(CorpusFormatError, match=expected):
        read(XMI, TYPES.replace("<name>value<", f"<name>{name}<"))
    if name != "class":
        with pytest.raises(CorpusFormatError, match="expected a name such as a.Name"):
            read(XMI, TYPES.replace(f"<name>{NAME}<", f"<name>{name}<"))


def test_another_parser_gets_the_types_that_were_checked(read, monkeypatch):
    import cassis

    seen = []
    original = cassis.load_typesystem
    monkeypatch.setattr(
        cassis, "load_typesystem", lambda source: seen.append(source.getvalue()) or original(source)
    )
    # To `cassis` an element of another namespace is a name, too.
    other = f'<y:name xmlns:y="urn:y">{EVIL}</y:name><name>value<'
    read(XMI, TYPES.replace("<name>value<", other))
    assert b"evaluated" not in seen[0] and b"<name>value</name>" in seen[0]


def test_the_type_system_must_be_there(read, put):
    with pytest.raises(CorpusFormatError, match="there is no TypeSystem.xml beside it; unpack"):
        read(XMI, None)


def test_without_the_package_the_error_says_what_to_install(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "cassis", None)
    with pytest.raises(ImportError, match=r"pip install 'joint_ner_re\[formats\]'") as caught:
        read(XMI)
    # Commands show such an error in one line.
    assert is_expected(caught.value)
