import json
import logging
import random
from collections import Counter

import pytest
import torch.distributed
from allennlp.common import Params, util
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.dataset_readers.dataset_reader import WorkerInfo
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer

from joint_ner_re.corpora import CorpusFormatError, read_corpus, write_corpus
from joint_ner_re.corpora.partitions import split_part
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.sentence import Entity, Sentence

LOGGER = "joint_ner_re"
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


# The relation of d0 crosses the end of a sentence; the mention of d1 has a full stop inside.
DOCUMENTS = {
    "d0": ("Ada left. Bob slept. See Fig. 2 there.", "T1\tPer 0 3\tAda\nT2\tPer 10 13\tBob\n"
           "R1\tMet Arg1:T1 Arg2:T2\n"),
    "d1": ("Rosa testis pv. alba met Bob.", "T1\tPer 0 20\tRosa testis pv. alba\n"
           "T2\tPer 25 28\tBob\nR1\tMet Arg1:T1 Arg2:T2\n"),
}  # fmt: skip


@pytest.fixture
def documents(tmp_path):
    (tmp_path / "in").mkdir()
    for name, (text, annotations) in DOCUMENTS.items():
        (tmp_path / f"in/{name}.txt").write_text(text)
        (tmp_path / f"in/{name}.ann").write_text(annotations)
    return str(tmp_path / "in")


@pytest.mark.parametrize(
    "rules, expected, joined",
    [
        ("punctuation", ["Ada left. ", "Bob slept. ", "See Fig. ", "2 there."], 1),
        ("abbreviations", ["Ada left. ", "Bob slept. ", "See Fig. 2 there."], 0),
    ],
)
def test_sentences_end_as_the_option_says(documents, caplog, rules, expected, joined):
    reader = JointReader(sentence_rules=rules)
    found = sentences(reader.read(documents))
    texts = [sentence.text for sentence in found]
    assert texts == [*expected, DOCUMENTS["d1"][0]]
    assert "".join(texts[:-1]) == DOCUMENTS["d0"][0]
    lost = "1 relations from one sentence to another, left out (50.0 % of 2)"
    ends = "; 1 sentence ends inside a mention, where the sentences were joined" * joined
    assert reader.losses() == [f"{documents}: {lost}{ends}"]
    # The log has them, too.
    assert f"{documents}: relations from one sentence to another, left out: 1" in caplog.text


def test_without_losses_there_are_none_to_report(documents):
    reader = JointReader(unit="document", sentence_rules="abbreviations")
    assert list(reader.read(documents)) and reader.losses() == []


def test_the_losses_of_two_files_that_are_read_by_turns_stay_apart(documents, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a"]}\n' * 9)
    reader = JointReader()
    for _ in zip(reader.read(str(tmp_path / "a.jsonl")), reader.read(documents)):
        pass
    (lost,) = reader.losses()
    assert lost.startswith(f"{documents}: 1 relations")


def test_predicted_documents_are_learned_sentence_by_sentence(tmp_path):
    document = {"tokens": ["It", "rained", ".", "Ada", "left", "."], "sentences": [[0, 3], [3, 6]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(document))
    tokens = [s.tokens for s in sentences(JointReader().read(str(tmp_path / "a.jsonl")))]
    assert tokens == [("It", "rained", "."), ("Ada", "left", ".")]


def test_mentions_in_pieces_are_read_as_the_option_says(tmp_path):
    (tmp_path / "a.txt").write_text("small and large bowel")
    (tmp_path / "a.ann").write_text("T1\tPart 0 5;16 21\tsmall bowel\n")
    for way, spans in (("drop", []), ("cover", [(0, 4)]), ("split", [(0, 1), (3, 4)])):
        (sentence,) = sentences(JointReader(discontinuous=way).read(str(tmp_path)))
        assert [(entity.start, entity.end) for entity in sentence.entities] == spans


def test_offsets_count_what_the_option_says(tmp_path):
    # 3 to 6 are the characters "b c" and the units " b ": the emoji is two units.
    (tmp_path / "a").write_text('{"text": "😀a b c", "label": [[3, 6, "X"]]}')
    for offsets, words in (("codepoints", "b c"), ("utf-16", "b")):
        (sentence,) = sentences(JointReader(offsets=offsets).read(str(tmp_path / "a")))
        assert sentence.surface(sentence.entities[0]) == words


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
    assert a3["metadata"]["dropped"] == []
    keys = [entity.key for entity in a3["annotation"].entities]
    assert keys == [("Adverse-Effect", 1, 3), ("Drug", 1, 2)]
    assert caplog.messages == [
        f"{corpus} (overlap: keep): 8 sentences, 1 entities beyond one level of tags, "
        "1 relations beyond one level of tags"
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
    assert a3["dropped"] == [(1, 2), (1, 3)]
    assert all(i["metadata"]["dropped"] == [] for i in instances if i is not instances[2])
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
    assert instance["metadata"]["dropped"] == [(0, 2), (1, 2)]


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


# Sentences with entities alone, and several files


ADA = {"type": "Peop", "start": 0, "end": 1}
KESH = {"type": "Loc", "start": 1, "end": 2}


@pytest.fixture
def partly(tmp_path):
    """A corpus with relations in one sentence of six."""
    records = [
        {"id": "same", "tokens": ["ADA", "Kesh", "!"], "entities": [ADA]},
        {"id": "first", "tokens": ["Ada", "came"], "entities": [ADA]},
        {
            "id": "related",
            "tokens": ["Ada", "Kesh"],
            "entities": [ADA, KESH],
            "relations": [{"type": "Live_In", "head": 0, "tail": 1}],
        },
        {"id": "again", "tokens": ["Ada", "came", "."], "entities": []},
        {"id": "none", "tokens": ["Nothing"]},
        {"id": "both", "tokens": ["Ada", "Brod"], "entities": [ADA, KESH]},
    ]
    path = tmp_path / "partly.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_the_part_of_entities_holds_what_is_not_known_otherwise(partly):
    found = list(JointReader().read(f"{partly}#entities"))
    # "same" has the words of "related", "again" those of "first".
    assert ids(found) == ["first", "none", "both"]
    assert [i["annotation"].relations_known for i in found] == [False] * 3
    assert [len(i["annotation"].entities) for i in found] == [1, 0, 2]


def test_of_all_other_sentences_relations_are_known(partly):
    assert all(i["annotation"].relations_known for i in JointReader().read(partly))


@pytest.mark.parametrize("overlap", ["keep", "drop_entities"])
def test_relations_are_unknown_whatever_becomes_of_overlaps(tmp_path, overlap):
    path = tmp_path / "overlap.jsonl"
    entities = [ADA, {"type": "Org", "start": 0, "end": 2}]
    path.write_text(json.dumps({"tokens": ["Ada", "Works"], "entities": entities}) + "\n")
    (instance,) = JointReader(overlap=overlap).read(f"{path}#entities")
    assert not instance["annotation"].relations_known


def test_several_files_are_read_one_after_the_other(corpus, partly, caplog):
    paths = [f"{partly}#entities", corpus, corpus]
    reader = JointReader(overlap="drop_sentences")
    with caplog.at_level(logging.INFO, LOGGER):
        found = list(reader.read(paths))
    assert ids(found) == ["first", "none", "both", *NOT_A3, *NOT_A3]
    known = [instance["annotation"].relations_known for instance in found]
    assert known == [False] * 3 + [True] * (len(known) - 3)
    assert caplog.messages[0] == (
        f"{partly}: 1 sentences with relations and 2 duplicates were left out"
    )
    assert [message.split(" (")[0] for message in caplog.messages[1:]] == paths
    assert ids(JointReader(max_instances=4).read(paths)) == ["first", "none", "both", "a1"]


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
@pytest.mark.parametrize("files", [1, 2])
def test_two_worker_processes_read_every_sentence_once(corpus, files, max_instances_in_memory):
    loader = MultiProcessDataLoader(
        JointReader(),
        [corpus] * files if files > 1 else corpus,
        batch_size=3,
        num_workers=2,
        max_instances_in_memory=max_instances_in_memory,
    )
    loader.index_with(Vocabulary.from_instances(JointReader().read(corpus)))
    batches = list(loader)
    found = Counter(fields["sentence"].id for batch in batches for fields in batch["metadata"])
    assert found == Counter(IDS * files)
    assert sum(batch["annotation"]["mask"].shape[0] for batch in batches) == files * len(IDS)


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
        ({"discontinuous": "join"}, ["'join'", "drop, cover, first, split"]),
        ({"offsets": "bytes"}, ["'bytes'", "codepoints, utf-16"]),
        ({"overlap": "drop"}, ["'drop'", "keep, drop_sentences, drop_entities"]),
        ({"format": "conll05"}, ["'conll05'", "jsonl", "spert"]),
        ({"granularity": "coarse"}, ["'coarse'", "standard, fine"]),
        ({"sentence_rules": "good"}, ["'good'", "punctuation, abbreviations"]),
        (
            {"sentence_rules": "abbreviations", "tokenizer_pipeline": "en_core_sci_sm"},
            ["'en_core_sci_sm'", "sentence ends of its own"],
        ),
        ({"tokenizer_pipeline": "xx_no_such_pipeline"}, ["'xx_no_such_pipeline'"]),
    ],
)
def test_an_impossible_option_is_an_error_that_names_the_choices(options, names):
    with pytest.raises(ConfigurationError) as error:
        JointReader(**options)
    assert all(name in str(error.value) for name in names)


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


# Parts and folds


PARTS = ("train", "dev", "test")


def ids_of(reader, path):
    return ids(reader.read(str(path)))


def parts(path, **options):
    reader = JointReader(**options)
    return {part: ids_of(reader, f"{path}#{part}") for part in PARTS}


def written(path, names):
    records = [{"tokens": ["a"], "entities": [], "relations": [], "orig_id": n} for n in names]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture
def divided(tmp_path):
    """20 sentences, whose ids do not follow the order of the file."""
    return written(tmp_path / "corpus.json", [(7 * n) % 20 + 100 for n in range(20)])


@pytest.mark.parametrize("options", [{}, {"num_folds": 5, "dev_fraction": 0.3, "fold_seed": 7}])
def test_made_folds_are_disjoint_and_complete(divided, options):
    everything = ids_of(JointReader(), divided)
    tests = []
    for fold in range(options.get("num_folds", 10)):
        made = parts(divided, fold=fold, **options)
        assert sorted(made["train"] + made["dev"] + made["test"]) == sorted(everything)
        tests += made["test"]
    assert sorted(tests) == sorted(everything)


def test_the_development_part_is_the_beginning_of_what_is_outside_the_fold(divided):
    everything = ids_of(JointReader(), divided)
    made = parts(divided, fold=2, num_folds=5, dev_fraction=0.25)
    rest = [name for name in everything if name not in made["test"]]
    assert len(made["test"]) == 4
    assert made["dev"] == rest[:4]  # a quarter of 16
    assert made["train"] == rest[4:]


def test_made_folds_do_not_depend_on_the_order_of_the_file(divided, tmp_path):
    names = ids_of(JointReader(), divided)
    random.Random(1).shuffle(names)
    shuffled = written(tmp_path / "shuffled.json", [int(name) for name in names])
    reader = JointReader(fold=3, num_folds=5)
    first, second = ids_of(reader, f"{divided}#test"), ids_of(reader, f"{shuffled}#test")
    assert first != second and sorted(first) == sorted(second)


def test_another_seed_makes_other_folds(divided):
    made = [set(parts(divided, fold=0, num_folds=2, fold_seed=seed)["test"]) for seed in (0, 1, 0)]
    assert made[0] == made[2] != made[1]


def test_a_file_that_is_a_training_part_already_is_divided_without_a_fold(divided):
    reader = JointReader(dev_fraction=0.1)
    everything = ids_of(reader, divided)
    assert ids_of(reader, f"{divided}#dev") == everything[:2]
    assert ids_of(reader, f"{divided}#train") == everything[2:]


def test_max_instances_counts_within_the_part(divided):
    whole = ids_of(JointReader(fold=0), f"{divided}#train")
    assert ids_of(JointReader(fold=0, max_instances=3), f"{divided}#train") == whole[:3]


@pytest.mark.parametrize("part", ["validation", "", "Train"])
def test_an_unknown_part_is_an_error(divided, part):
    with pytest.raises(ConfigurationError, match=f"#{part}: unknown part '{part}'.*train, dev"):
        ids_of(JointReader(fold=0), f"{divided}#{part}")


def test_a_test_part_needs_a_fold(divided):
    with pytest.raises(ConfigurationError, match="#test: set the reader's option 'fold'"):
        ids_of(JointReader(), f"{divided}#test")


@pytest.mark.parametrize("fold", [5, 10**30])
def test_a_fold_out_of_range_is_an_error(fixtures, divided, fold):
    with pytest.raises(ConfigurationError, match=f"fold is {fold}; expected 0 to 4 .num_folds: 5"):
        ids_of(JointReader(fold=fold, num_folds=5), f"{divided}#train")
    published = str(fixtures / "ade_folds.json")
    with pytest.raises(ConfigurationError, match=r"expected 0 to 4 \(ade_folds\.json\)"):
        ids_of(JointReader(fold=fold, folds=published), f"{fixtures / 'ade.rel'}#train")


@pytest.mark.parametrize("part", PARTS)
def test_folds_for_another_file_are_an_error(fixtures, divided, part):
    reader = JointReader(fold=2, folds=str(fixtures / "ade_folds.json"))
    with pytest.raises(ConfigurationError) as error:
        ids_of(reader, f"{divided}#{part}")
    assert "fold 2 of ade_folds.json names 2 sentences" in str(error.value)
    assert "'2'" in str(error.value)


def test_without_a_development_part_all_outside_the_fold_is_for_training(divided):
    made = parts(divided, fold=2, num_folds=5)
    reader = JointReader(fold=2, num_folds=5, dev_fraction=0)
    assert sorted(ids_of(reader, f"{divided}#train")) == sorted(made["train"] + made["dev"])
    assert ids_of(reader, f"{divided}#test") == made["test"]
    with pytest.raises(ConfigurationError, match="#dev: dev_fraction is 0, .* set dev_fraction"):
        ids_of(reader, f"{divided}#dev")


@pytest.mark.parametrize("fraction", [1, -0.1, 15])
def test_an_impossible_development_fraction_is_an_error(fraction):
    with pytest.raises(ConfigurationError, match=f"dev_fraction is {fraction}; expected"):
        JointReader(dev_fraction=fraction)


@pytest.mark.parametrize(
    "options, part, names",
    [
        ({"fold": 0, "num_folds": 21}, "train", ["21", "20"]),
        ({"dev_fraction": 0.01}, "dev", ["0.01 of 20"]),
    ],
)
def test_folds_and_fractions_that_do_not_fit_the_file_are_errors(divided, options, part, names):
    with pytest.raises(ConfigurationError) as error:
        ids_of(JointReader(**options), f"{divided}#{part}")
    assert all(name in str(error.value) for name in [str(divided), *names])


def test_a_missing_folds_file_is_an_error_that_names_it(divided):
    with pytest.raises(CorpusFormatError, match=r"no_such\.json"):
        ids_of(JointReader(fold=0, folds="no_such.json"), f"{divided}#train")


def jsonl(path, records):
    path.write_text("".join(json.dumps({"tokens": ["a"], **r}) + "\n" for r in records))
    return path


def test_sentences_without_ids_are_known_by_their_positions(tmp_path):
    tokens = [[str(number)] for number in range(10)]
    path = jsonl(tmp_path / "corpus.jsonl", [{"tokens": t} for t in tokens])
    tests = []
    for fold in range(4):
        reader = JointReader(fold=fold, num_folds=4, dev_fraction=0.3)
        made = [[s.tokens[0] for s in sentences(reader.read(f"{path}#{part}"))] for part in PARTS]
        assert sorted(sum(made, [])) == [str(number) for number in range(10)]
        tests += made[2]
    assert sorted(tests) == [str(number) for number in range(10)]


def test_sentences_with_one_id_are_kept_apart_in_folds(tmp_path, caplog):
    records = [{"id": "a"}, {"id": "b"}, {}, {"id": "a"}, {"id": "a#2"}, {"id": "a"}]
    path = jsonl(tmp_path / "corpus.jsonl", records)
    tests = []
    for fold in range(3):
        reader = JointReader(fold=fold, num_folds=3, dev_fraction=0.3)
        parts = [sentences(reader.read(f"{path}#{part}")) for part in PARTS]
        assert sorted(s.source for part in parts for s in part) == [
            f"{path}:{line}" for line in range(1, 7)
        ]
        tests += [s.source for s in parts[2]]
    assert len(set(tests)) == 6
    assert "2 ids repeat earlier ones, such as 'a'" in caplog.text
    assert "convert each with --id-prefix" in caplog.text


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_folds_does_not_tell_sentences_with_one_id_apart(tmp_path, part):
    path = jsonl(tmp_path / "corpus.jsonl", [{"id": "a"}, {"id": "b"}, {}, {"id": "a"}])
    (tmp_path / "folds.json").write_text('[["a"], ["b"]]')
    reader = JointReader(fold=0, folds=str(tmp_path / "folds.json"))
    with pytest.raises(ConfigurationError, match="sentences 0 and 3, .* both have the id 'a'"):
        ids_of(reader, f"{path}#{part}")


def test_without_folds_ids_do_not_matter(tmp_path):
    path = jsonl(tmp_path / "corpus.jsonl", [{"id": "a"}, {"id": "b"}, {"id": "a"}, {"id": "a"}])
    reader = JointReader(dev_fraction=0.5)
    assert ids_of(reader, f"{path}#dev") == ["a", "b"]
    assert ids_of(reader, f"{path}#train") == ["a", "a"]


def test_the_number_of_folds_can_be_asked(fixtures):
    assert JointReader(num_folds=7).partition.count_folds() == 7
    assert JointReader(folds=str(fixtures / "ade_folds.json")).partition.count_folds() == 5


@pytest.mark.parametrize(
    "sentences, options, message",
    [
        ([Sentence([])] * 3, {}, r"\(3 sentences, of which the overlap protocol drops 0\)"),
        (
            [Sentence(["a", "b"], [Entity("X", 0, 2), Entity("X", 1, 2)]), Sentence([])],
            {"overlap": "drop_sentences"},
            r"\(2 sentences, of which the overlap protocol drops 1\)",
        ),
    ],
)
def test_a_corpus_without_a_token_is_an_error(tmp_path, sentences, options, message):
    """Training on it, or choosing the best epoch by it, would mean nothing."""
    path = tmp_path / "empty.jsonl"
    write_corpus(sentences, path, "jsonl")
    reader = DatasetReader.from_params(Params({"type": "joint_ner_re", **options}))
    with pytest.raises(
        ConfigurationError, match=f"empty.jsonl: no sentence with a token {message}"
    ):
        list(reader.read(str(path)))


# Parts by documents


@pytest.fixture
def reports(tmp_path):
    """Ten reports of two to five sentences each, in the order of their names."""
    path = tmp_path / "reports.json"
    written(path, [f"r{report}:{n}" for report in range(10) for n in range(2 + report % 4)])
    return path


def reports_of(ids):
    return {name.partition(":")[0] for name in ids}


def test_documents_stay_in_one_part(reports):
    everything = ids_of(JointReader(), reports)
    tests = []
    for fold in range(5):
        made = parts(reports, fold=fold, num_folds=5, divide="documents")
        # Complete, without repetition, and in the file's order.
        assert sorted(sum(made.values(), []), key=everything.index) == everything
        assert all(part == sorted(part, key=everything.index) for part in made.values())
        documents = [reports_of(part) for part in made.values()]
        assert sum(map(len, documents)) == len(set.union(*documents)) == 10
        assert len(reports_of(made["test"])) == 2
        tests += made["test"]
    assert sorted(tests) == sorted(everything)


def test_the_development_part_by_documents_is_drawn_from_the_whole_file(reports):
    made = [
        parts(reports, fold=0, num_folds=5, divide="documents", fold_seed=seed, dev_fraction=0.25)
        for seed in range(8)
    ]
    # Of the 8 documents outside the fold, those with about a quarter of the sentences.
    assert all(1 <= len(reports_of(part["dev"])) <= 4 for part in made)
    outside = [len(part["dev"]) + len(part["train"]) for part in made]
    assert all(
        abs(len(part["dev"]) - 0.25 * size) <= 2.5 for part, size in zip(made, outside, strict=True)
    )
    # The beginning of the file is not always in it.
    assert len({frozenset(reports_of(part["dev"])) for part in made}) > 4


def test_parts_by_sentences_of_a_corpus_of_documents_are_named(reports, caplog):
    with caplog.at_level("WARNING"):
        parts(reports, fold=0, num_folds=5)
    (record,) = [r for r in caplog.records if "documents, such as" in r.message]
    assert "divide: 'documents'" in record.message
    caplog.clear()
    with caplog.at_level("WARNING"):
        parts(reports, fold=0, num_folds=5, divide="documents")
    assert not [r for r in caplog.records if "documents, such as" in r.message]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"divide": "files"}, "divide is 'files'; expected one of sentences, documents"),
        ({"divide": "documents", "fold": 0, "num_folds": 11}, "it has 10 documents"),
        ({"divide": "documents", "fold": 5, "num_folds": 5}, "fold is 5; expected 0 to 4"),
        ({"divide": "documents", "fold": 0, "num_folds": 2, "dev_fraction": 0.99}, "dev_fraction"),
    ],
)
def test_an_impossible_division_into_documents_is_an_error(reports, options, message):
    with pytest.raises(ConfigurationError, match=message):
        parts(reports, **options)
