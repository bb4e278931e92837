import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.dataset_readers import AdeReader


def ids(reader, path):
    return [instance["metadata"]["sentence"].id for instance in reader.read(str(path))]


@pytest.fixture
def folds(fixtures):
    return str(fixtures / "ade_folds.json")


@pytest.mark.parametrize("name", ["ade.rel", "ade_spert.json"])
def test_the_published_folds_divide_the_corpus_in_any_format(fixtures, folds, name):
    # Fold 1 of the fixture is [7, 1, 10]; 15 % of the other 8 is 1, the first in the file.
    reader = AdeReader(fold=1, folds=folds)
    assert reader.partition.count_folds() == 5
    assert {
        part: ids(reader, f"{fixtures / name}#{part}") for part in ("train", "dev", "test")
    } == {
        "test": ["1", "7", "10"],
        "dev": ["0"],
        "train": ["2", "3", "4", "5", "6", "8", "9"],
    }


def test_without_a_part_the_whole_file_is_read(fixtures, folds):
    reader = AdeReader(fold=0, folds=folds)
    assert ids(reader, fixtures / "ade.rel") == [str(number) for number in range(11)]


def test_the_protocol_applies_within_the_parts(fixtures, folds):
    # Sentence 2, in fold 2 with 5, is the one with an overlap.
    reader = AdeReader(fold=2, folds=folds, overlap="drop_sentences")
    assert ids(reader, f"{fixtures / 'ade.rel'}#test") == ["5"]


def test_a_format_that_is_given_need_not_be_detected(fixtures, tmp_path):
    path = tmp_path / "ade.jsonl"
    write_corpus(read_corpus(fixtures / "ade_spert.json"), path, "jsonl")
    # No format has such a first line.
    path.write_text("?\n" + path.read_text("utf-8"), encoding="utf-8")
    reader = AdeReader(format="jsonl", on_error="skip", fold=0, num_folds=3)
    whole = ids(reader, path)
    assert len(whole) == 11
    parts = [ids(reader, f"{path}#{part}") for part in ("train", "dev", "test")]
    assert sorted(sum(parts, [])) == sorted(whole)


def test_raw_text_is_split_finely(fixtures):
    first = next(iter(AdeReader().read(str(fixtures / "ade.rel"))))
    assert [token.text for token in first["tokens"].tokens][:3] == ["Amoxicillin", "-", "induced"]


@pytest.fixture
def negatives(fixtures, tmp_path):
    """Two sentences of each of the four abstracts in ade.rel, and of four others."""
    path = tmp_path / "neg.txt"
    numbers = [*range(90000001, 90000005), *range(90000020, 90000024)]
    lines = (f"{number} NEG Nothing {word} here." for number in numbers for word in ("new", "old"))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_sentences_without_relations_are_divided_by_abstracts(fixtures, folds, negatives):
    # Fold 3 is [6, 4]: sentences of the second and of the third abstract. Of the other nine 0.12,
    # the first one, is sentence 0, of the first abstract.
    reader = AdeReader(
        fold=3, folds=folds, dev_fraction=0.12, positives=str(fixtures / "ade.rel"),
        negative_share=0.5,
    )  # fmt: skip
    parts = {part: ids(reader, f"{negatives}#{part}") for part in ("test", "dev", "train")}
    assert [name for name in parts["test"] if int(name[4:]) < 8] == [
        f"neg-{n}" for n in range(2, 6)
    ]
    assert [name for name in parts["dev"] if int(name[4:]) < 8] == ["neg-0", "neg-1"]
    # Of the four abstracts that ade.rel lacks two, one and one are drawn: four sentences are left
    # for training, half of the eight that the training part of ade.rel has.
    assert [len(names) for names in parts.values()] == [8, 4, 4]
    assert not set(parts["test"]) & set(parts["dev"]) | set(parts["train"]) & set(parts["test"])
    assert {"neg-6", "neg-7"} < set(parts["train"])


def test_as_many_sentences_without_relations_are_drawn_as_the_share_says(
    fixtures, folds, negatives
):
    options = {"fold": 3, "folds": folds, "dev_fraction": 0}
    options["positives"] = str(fixtures / "ade.rel")
    # Nine sentences are outside the fold, and eight of the others outside its abstracts.
    drawn = [
        ids(AdeReader(negative_share=share, **options), f"{negatives}#train")
        for share in (0.2, 0.6, 5)
    ]
    assert [len(names) for names in drawn] == [2, 5, 8]
    assert set(drawn[0]) < set(drawn[1]) < set(drawn[2])


def test_without_a_fold_or_development_part_no_abstract_is_held_out(fixtures, negatives):
    reader = AdeReader(dev_fraction=0, positives=str(fixtures / "ade.rel"), negative_share=9)
    assert len(ids(reader, f"{negatives}#train")) == 16
    with pytest.raises(ConfigurationError, match="set the reader's option 'fold'"):
        ids(reader, f"{negatives}#test")


def test_parts_of_sentences_without_relations_need_the_others(folds, negatives):
    with pytest.raises(ConfigurationError, match="'positives' to the path of DRUG-AE.rel"):
        ids(AdeReader(fold=3, folds=folds), f"{negatives}#dev")


def test_an_impossible_share_is_an_error():
    with pytest.raises(ConfigurationError, match="negative_share is 0; expected more than 0"):
        AdeReader(negative_share=0)
