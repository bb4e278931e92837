import pytest

from joint_ner_re.dataset_readers import AdeReader

pytestmark = pytest.mark.usefixtures("one_tokenizer")


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


def test_raw_text_is_split_finely(fixtures):
    first = next(iter(AdeReader().read(str(fixtures / "ade.rel"))))
    assert [token.text for token in first["tokens"].tokens][:3] == ["Amoxicillin", "-", "induced"]
