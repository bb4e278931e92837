import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.dataset_readers import Conll04Reader


@pytest.fixture
def id_lists(fixtures):
    return {part: str(fixtures / f"conll04_{part}.ids") for part in ("train", "dev")}


def ids(reader, path):
    return [instance["metadata"]["sentence"].id for instance in reader.read(str(path))]


def test_id_lists_choose_parts_of_the_original_corpus(fixtures, id_lists):
    reader = Conll04Reader(id_lists=id_lists)
    train = ids(reader, f"{fixtures / 'conll04.corp'}#train")
    dev = ids(reader, f"{fixtures / 'conll04.corp'}#dev")
    assert sorted(train, key=int) == ["17", "18", "23", "29", "40", "57", "60", "72"]
    assert sorted(dev, key=int) == ["31", "41", "64"]


@pytest.mark.parametrize("name", ["conll04_spert.json", "conll04_multihead.txt"])
def test_whole_files_are_read_in_other_formats(fixtures, name):
    assert sorted(ids(Conll04Reader(), fixtures / name), key=int) == [
        "17", "18", "23", "29", "31", "40", "41", "57", "60", "64", "72",
    ]  # fmt: skip


def test_the_whole_original_corpus_holds_more_than_its_parts(fixtures, id_lists):
    whole = ids(Conll04Reader(id_lists=id_lists), fixtures / "conll04.corp")
    assert len(whole) == len(set(whole)) == 12 and "75" in whole


def test_an_unknown_part_is_an_error_that_names_the_known_ones(fixtures, id_lists):
    with pytest.raises(ConfigurationError, match="#test: unknown part 'test'.*dev, train"):
        ids(Conll04Reader(id_lists=id_lists), f"{fixtures / 'conll04.corp'}#test")


@pytest.mark.parametrize("has_lists", [True, False])
def test_the_part_of_entities_has_the_sentences_without_relations(fixtures, id_lists, has_lists):
    reader = Conll04Reader(id_lists=id_lists if has_lists else None)
    found = list(reader.read(f"{fixtures / 'conll04.corp'}#entities"))
    # Of the twelve these have no row below the blank line.
    assert [i["metadata"]["sentence"].id for i in found] == ["31", "57", "75"]
    assert not any(i["annotation"].relations_known for i in found)


def test_without_id_lists_a_file_is_divided_into_folds(fixtures):
    reader = Conll04Reader(fold=1, num_folds=3)
    made = [ids(reader, f"{fixtures / 'conll04.corp'}#{part}") for part in ("train", "dev", "test")]
    assert sorted(sum(made, [])) == sorted(ids(reader, fixtures / "conll04.corp"))
    assert len(made[2]) == 4


@pytest.mark.parametrize("name", ["conll04_spert.json", "conll04_multihead.txt"])
def test_only_the_original_corpus_has_parts(fixtures, id_lists, name):
    with pytest.raises(ConfigurationError) as error:
        ids(Conll04Reader(id_lists=id_lists), f"{fixtures / name}#train")
    assert f"{name}#train" in str(error.value) and "conll04_corp" in str(error.value)
