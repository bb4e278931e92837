import logging
from collections import Counter

import pytest
import torch.distributed
from allennlp.common import util
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.dataset_readers.dataset_reader import WorkerInfo
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer

from joint_ner_re.corpora import CorpusFormatError, read_corpus
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.dataset_readers.joint_reader import split_part
from joint_ner_re.sentence import Sentence

pytestmark = pytest.mark.usefixtures("one_tokenizer")
LOGGER = "joint_ner_re.dataset_readers.joint_reader"
IDS = ["a1", "a2", "a3", "a4", "a5", "c1", "7", ""]  # of fixtures/sentences.jsonl
NOT_A3 = [name for name in IDS if name != "a3"]  # a3 alone has an overlap


@pytest.fixture
def corpus(fixtures):
    return str(fixtures / "sentences.jsonl")


def sentences(instances):
    return [instance["metadata"]["sentence"] for instance in instances]


def ids(instances):
    return [sentence.id for sentence in sentences(instances)]


def test_every_sentence_of_the_file_becomes_an_instance_that_holds_it(corpus):
    instances = list(JointReader().read(corpus))
    assert sentences(instances) == list(read_corpus(corpus))
    assert [[token.text for token in i["tokens"].tokens] for i in instances] == [
        list(sentence.tokens) for sentence in read_corpus(corpus)
    ]


def test_the_source_is_carried_for_messages(corpus):
    assert sentences(JointReader().read(corpus))[2].source == f"{corpus}:3"


@pytest.mark.parametrize(
    "name, options, count",
    [
        ("ade.rel", {"granularity": "fine"}, 11),
        ("ade_neg.txt", {}, 9),
        ("ade_spert.json", {}, 11),
        ("conll04_multihead.txt", {}, 11),
        ("conll04.corp", {}, 12),
        ("conll04_spert.json", {"format": "spert"}, 11),
    ],
)
def test_every_format_can_be_read(fixtures, name, options, count):
    assert len(list(JointReader(**options).read(str(fixtures / name)))) == count


def test_raw_text_is_split_as_the_options_say(tmp_path):
    path = tmp_path / "neg.txt"
    path.write_text("90000001 NEG No IL-2 here.\n")
    options = {"format": "ade_neg"}
    (fine,) = sentences(JointReader(granularity="fine", **options).read(str(path)))
    (standard,) = sentences(JointReader(granularity="standard", **options).read(str(path)))
    assert fine.tokens == ("No", "IL", "-", "2", "here", ".")
    assert standard.tokens == ("No", "IL-2", "here", ".")


def test_a_wrong_format_is_an_error_of_the_corpus(corpus):
    with pytest.raises(CorpusFormatError, match=r"sentences\.jsonl:1"):
        list(JointReader(format="spert").read(corpus))


# Overlap protocols. a3: Effect 1-3 and Drug 1-2, and a relation between them.


def test_keep_keeps_everything_as_gold(corpus, caplog):
    with caplog.at_level(logging.INFO, LOGGER):
        instances = list(JointReader(overlap="keep").read(corpus))
    assert ids(instances) == IDS
    a3 = instances[2]
    assert len(a3["metadata"]["sentence"].entities) == 2
    assert a3["metadata"]["dropped"] == frozenset()
    assert [entity.key for entity in a3["annotation"].entities] == [("Adverse-Effect", 1, 3)]
    assert caplog.messages == [
        f"{corpus} (overlap: keep): 8 sentences, 1 entities beyond the tags, "
        "1 relations beyond the tags"
    ]


def test_drop_sentences_leaves_them_out(corpus, caplog):
    with caplog.at_level(logging.INFO, LOGGER):
        instances = list(JointReader(overlap="drop_sentences").read(corpus))
    assert ids(instances) == NOT_A3
    assert caplog.messages == [
        f"{corpus} (overlap: drop_sentences): 8 sentences, 1 dropped sentences"
    ]


def test_drop_entities_leaves_both_entities_out_and_remembers_their_spans(corpus, caplog):
    with caplog.at_level(logging.INFO, LOGGER):
        instances = list(JointReader(overlap="drop_entities").read(corpus))
    assert ids(instances) == IDS
    a3 = instances[2]["metadata"]
    assert (a3["sentence"].entities, a3["sentence"].relations) == ((), ())
    assert a3["dropped"] == {(1, 3), (1, 2)}
    assert all(i["metadata"]["dropped"] == frozenset() for i in instances if i is not instances[2])
    assert caplog.messages == [
        f"{corpus} (overlap: drop_entities): 8 sentences, 2 dropped entities, 1 dropped relations"
    ]


def test_only_the_overlapping_entities_of_a_sentence_are_dropped(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"tokens": ["a", "b", "c"], "entities": [{"type": "X", "start": 2, "end": 3}, '
        '{"type": "X", "start": 0, "end": 2}, {"type": "Y", "start": 1, "end": 2}], '
        '"relations": [{"type": "R", "head": 0, "tail": 1}]}\n'
    )
    (instance,) = JointReader(overlap="drop_entities").read(str(path))
    assert [e.key for e in instance["metadata"]["sentence"].entities] == [("X", 2, 3)]
    assert instance["metadata"]["sentence"].relations == ()
    assert instance["metadata"]["dropped"] == {(0, 2), (1, 2)}


def test_the_published_counts_of_overlaps_hold_for_the_fixture(fixtures):
    # ade.rel has one sentence with an overlap, "Lithium toxicity".
    path = str(fixtures / "ade.rel")
    reader = JointReader(overlap="drop_sentences", granularity="fine")
    texts = [sentence.text for sentence in sentences(reader.read(path))]
    assert len(texts) == 10
    assert not any("Lithium toxicity" in text for text in texts)


# max_instances


@pytest.mark.parametrize("overlap", ["keep", "drop_sentences", "drop_entities"])
def test_max_instances_counts_instances(corpus, overlap):
    expected = (NOT_A3 if overlap == "drop_sentences" else IDS)[:3]
    assert ids(JointReader(overlap=overlap, max_instances=3).read(corpus)) == expected


def test_what_is_dropped_is_logged_with_max_instances_too(corpus, caplog):
    reader = JointReader(overlap="drop_sentences", max_instances=3)
    with caplog.at_level(logging.INFO, LOGGER):
        list(reader.read(corpus))
    assert caplog.messages == [
        f"{corpus} (overlap: drop_sentences): 4 sentences, 1 dropped sentences"
    ]


def test_a_second_reading_counts_anew(corpus, caplog):
    reader = JointReader(overlap="drop_sentences")
    with caplog.at_level(logging.INFO, LOGGER):
        list(reader.read(corpus))
        list(reader.read(corpus))
    assert len(caplog.messages) == 2 and len(set(caplog.messages)) == 1


# Fields


def test_an_unlabelled_instance_has_no_annotation():
    instance = JointReader().text_to_instance(Sentence(["a"]), labelled=False)
    assert sorted(instance.fields) == ["metadata", "tokens"]


def test_indexers_are_set_last_and_then_tensors_can_be_made():
    reader = JointReader(
        {"words": SingleIdTokenIndexer(), "letters": TokenCharactersIndexer(min_padding_length=1)}
    )
    instance = reader.text_to_instance(Sentence(["Kesh", "is", "small"]), labelled=False)
    assert instance["tokens"]._token_indexers is None
    reader.apply_token_indexers(instance)
    instance.index_fields(Vocabulary())
    made = instance.as_tensor_dict()["tokens"]
    assert made["words"]["tokens"].shape == (3,)
    assert made["letters"]["token_characters"].shape == (3, 5)


def test_the_default_indexers_are_single_ids(corpus):
    instance = next(iter(JointReader().read(corpus)))
    assert list(instance["tokens"].token_indexers) == ["tokens"]


# Sharding


@pytest.mark.parametrize("max_instances_in_memory", [None, 3])
def test_two_worker_processes_read_every_sentence_once(corpus, max_instances_in_memory):
    loader = MultiProcessDataLoader(
        JointReader(),
        corpus,
        batch_size=3,
        num_workers=2,
        max_instances_in_memory=max_instances_in_memory,
    )
    loader.index_with(Vocabulary.from_instances(JointReader().read(corpus)))
    batches = list(loader)
    found = Counter(fields["sentence"].id for batch in batches for fields in batch["metadata"])
    assert found == Counter(IDS)
    assert sum(batch["annotation"]["mask"].shape[0] for batch in batches) == len(IDS)


@pytest.mark.parametrize("overlap", ["keep", "drop_sentences"])
@pytest.mark.parametrize("max_instances", [None, 5])
@pytest.mark.parametrize("world_size, num_workers", [(1, 2), (2, 0), (2, 2), (9, 1)])
def test_processes_and_their_workers_share_the_sentences(
    corpus, monkeypatch, world_size, num_workers, max_instances, overlap
):
    monkeypatch.setattr(util, "is_distributed", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world_size)
    found = []
    for rank in range(world_size):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        reader = JointReader(max_instances=max_instances, overlap=overlap)
        for worker in range(num_workers or 1):
            reader._set_worker_info(WorkerInfo(num_workers, worker) if num_workers else None)
            found += ids(reader.read(corpus))
    expected = NOT_A3 if overlap == "drop_sentences" else IDS
    if max_instances is None:
        assert Counter(found) == Counter(expected)
    else:
        assert len(found) == len(set(found)) == max_instances
        assert set(found) <= set(expected)


# Errors and parts


@pytest.mark.parametrize(
    "options, names",
    [
        ({"overlap": "drop"}, ["'drop'", "keep, drop_sentences, drop_entities"]),
        ({"format": "conll"}, ["'conll'", "jsonl", "spert"]),
        ({"granularity": "coarse"}, ["'coarse'", "standard, fine"]),
        ({"tokenizer_pipeline": "xx_no_such_pipeline"}, ["'xx_no_such_pipeline'"]),
    ],
)
def test_an_impossible_option_is_an_error_that_names_the_choices(options, names):
    with pytest.raises(ConfigurationError) as error:
        JointReader(**options)
    assert all(name in str(error.value) for name in names)


def test_this_reader_has_no_parts(corpus):
    with pytest.raises(ConfigurationError, match="#train.*JointReader does not divide"):
        list(JointReader().read(corpus + "#train"))


def test_a_file_whose_name_holds_a_hash_sign_is_read_whole(corpus, tmp_path):
    path = tmp_path / "a#train"
    path.write_text('{"tokens": ["a"], "id": "x"}\n')
    assert split_part(str(path)) == (str(path), None)
    assert ids(JointReader().read(str(path))) == ["x"]


@pytest.mark.parametrize(
    "given, expected",
    [
        ("a.rel", ("a.rel", None)),
        ("a.rel#dev", ("a.rel", "dev")),
        ("x#y/a.rel#dev", ("x#y/a.rel", "dev")),
        ("a.rel#", ("a.rel", "")),
    ],
)
def test_the_part_stands_after_the_last_hash_sign(given, expected):
    assert split_part(given) == expected


def test_the_readers_are_registered():
    assert {"joint_ner_re", "ade", "conll04"} <= set(DatasetReader.list_available())
