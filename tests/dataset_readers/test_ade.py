import json
import random

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.corpora import CorpusFormatError
from joint_ner_re.dataset_readers import AdeReader

pytestmark = pytest.mark.usefixtures("one_tokenizer")
PARTS = ("train", "dev", "test")


def ids(reader, path):
    return [instance["metadata"]["sentence"].id for instance in reader.read(str(path))]


def parts(path, **options):
    reader = AdeReader(**options)
    return {part: ids(reader, f"{path}#{part}") for part in PARTS}


def written(path, names):
    records = [{"tokens": ["a"], "entities": [], "relations": [], "orig_id": n} for n in names]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def corpus(tmp_path):
    """20 sentences, whose ids do not follow the order of the file."""
    return written(tmp_path / "ade.json", [(7 * n) % 20 + 100 for n in range(20)])


@pytest.mark.parametrize("name", ["ade.rel", "ade_spert.json"])
def test_the_published_folds_divide_the_corpus_in_any_format(fixtures, name):
    # Fold 1 of the fixture is [7, 1, 10]; 15 % of the other 8 is 1, the first in the file.
    made = parts(fixtures / name, fold=1, folds=str(fixtures / "ade_folds.json"))
    assert made == {
        "test": ["1", "7", "10"],
        "dev": ["0"],
        "train": ["2", "3", "4", "5", "6", "8", "9"],
    }


@pytest.mark.parametrize("options", [{}, {"num_folds": 5, "dev_fraction": 0.3, "fold_seed": 7}])
def test_made_folds_are_disjoint_and_complete(corpus, options):
    everything = ids(AdeReader(), corpus)
    tests = []
    for fold in range(options.get("num_folds", 10)):
        made = parts(corpus, fold=fold, **options)
        assert sorted(made["train"] + made["dev"] + made["test"]) == sorted(everything)
        tests += made["test"]
    assert sorted(tests) == sorted(everything)


def test_the_development_part_is_the_beginning_of_what_is_outside_the_fold(corpus):
    everything = ids(AdeReader(), corpus)
    made = parts(corpus, fold=2, num_folds=5, dev_fraction=0.25)
    rest = [name for name in everything if name not in made["test"]]
    assert len(made["test"]) == 4
    assert made["dev"] == rest[:4]  # a quarter of 16
    assert made["train"] == rest[4:]


def test_made_folds_do_not_depend_on_the_order_of_the_file(corpus, tmp_path):
    names = ids(AdeReader(), corpus)
    random.Random(1).shuffle(names)
    shuffled = written(tmp_path / "shuffled.json", [int(name) for name in names])
    reader = AdeReader(fold=3, num_folds=5)
    first, second = ids(reader, f"{corpus}#test"), ids(reader, f"{shuffled}#test")
    assert first != second and sorted(first) == sorted(second)


def test_another_seed_makes_other_folds(corpus):
    made = [set(parts(corpus, fold=0, num_folds=2, fold_seed=seed)["test"]) for seed in (0, 1, 0)]
    assert made[0] == made[2] != made[1]


def test_a_file_that_is_a_training_part_already_is_divided_without_a_fold(corpus):
    reader = AdeReader(dev_fraction=0.1)
    everything = ids(reader, corpus)
    assert ids(reader, f"{corpus}#dev") == everything[:2]
    assert ids(reader, f"{corpus}#train") == everything[2:]


def test_without_a_part_the_whole_file_is_read(fixtures):
    reader = AdeReader(fold=0, folds=str(fixtures / "ade_folds.json"))
    assert ids(reader, fixtures / "ade.rel") == [str(number) for number in range(11)]


def test_max_instances_counts_within_the_part(corpus):
    whole = ids(AdeReader(fold=0), f"{corpus}#train")
    assert ids(AdeReader(fold=0, max_instances=3), f"{corpus}#train") == whole[:3]


def test_the_protocol_applies_within_the_parts(fixtures):
    # Sentence 2, in fold 2 with 5, is the one with an overlap.
    folds = str(fixtures / "ade_folds.json")
    reader = AdeReader(fold=2, folds=folds, overlap="drop_sentences")
    assert ids(reader, f"{fixtures / 'ade.rel'}#test") == ["5"]


def test_raw_text_is_split_finely(fixtures):
    first = next(iter(AdeReader().read(str(fixtures / "ade.rel"))))
    assert [token.text for token in first["tokens"].tokens][:3] == ["Amoxicillin", "-", "induced"]


@pytest.mark.parametrize("part", ["validation", "", "Train"])
def test_an_unknown_part_is_an_error(corpus, part):
    with pytest.raises(ConfigurationError, match=f"#{part}: unknown part '{part}'.*train, dev"):
        ids(AdeReader(fold=0), f"{corpus}#{part}")


def test_a_test_part_needs_a_fold(corpus):
    with pytest.raises(ConfigurationError, match="#test: set the reader's option 'fold'"):
        ids(AdeReader(), f"{corpus}#test")


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_out_of_range_is_an_error(fixtures, corpus, fold):
    with pytest.raises(ConfigurationError, match=f"fold is {fold}; expected 0 to 4 .num_folds: 5"):
        ids(AdeReader(fold=fold, num_folds=5), f"{corpus}#train")
    published = str(fixtures / "ade_folds.json")
    with pytest.raises(ConfigurationError, match=r"expected 0 to 4 \(ade_folds\.json\)"):
        ids(AdeReader(fold=fold, folds=published), f"{fixtures / 'ade.rel'}#train")


@pytest.mark.parametrize("part", PARTS)
def test_folds_for_another_file_are_an_error(fixtures, corpus, part):
    reader = AdeReader(fold=2, folds=str(fixtures / "ade_folds.json"))
    with pytest.raises(ConfigurationError) as error:
        ids(reader, f"{corpus}#{part}")
    assert "fold 2 of ade_folds.json names 2 sentences" in str(error.value)
    assert "'2'" in str(error.value)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 15])
def test_an_impossible_development_fraction_is_an_error(fraction):
    with pytest.raises(ConfigurationError, match=f"dev_fraction is {fraction}; expected"):
        AdeReader(dev_fraction=fraction)


@pytest.mark.parametrize(
    "options, part, names",
    [
        ({"fold": 0, "num_folds": 21}, "train", ["21", "20"]),
        ({"fold": 0, "num_folds": 1}, "train", ["cannot make 1 folds"]),
        ({"dev_fraction": 0.01}, "dev", ["0.01 of 20"]),
    ],
)
def test_folds_and_fractions_that_do_not_fit_the_file_are_errors(corpus, options, part, names):
    with pytest.raises(ConfigurationError) as error:
        ids(AdeReader(**options), f"{corpus}#{part}")
    assert all(name in str(error.value) for name in [str(corpus), *names])


def test_a_missing_folds_file_is_an_error_that_names_it(corpus):
    with pytest.raises(CorpusFormatError, match=r"no_such\.json"):
        ids(AdeReader(fold=0, folds="no_such.json"), f"{corpus}#train")
