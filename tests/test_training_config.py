import json
import os
from pathlib import Path

import pytest
import torch
from allennlp.commands.train import TrainModel
from allennlp.common import Params, params
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import prepare_environment

import joint_ner_re.plugin  # noqa: F401 (jsonnet's errors are its own)
from joint_ner_re.labels import ENTITY_NAMESPACE, RELATION_NAMESPACE, label_names
from joint_ner_re.pretrained import fingerprint

CONFIGS = Path(__file__).parents[1] / "training_config"
SHIPPED = sorted(path.name for path in CONFIGS.glob("*.jsonnet"))
# Their model finds entities and relations; the other one prepares an encoder for them.
JOINT = [name for name in SHIPPED if name != "minilm_ade_neg.jsonnet"]
PAPER = ["ade.jsonnet", "conll04.jsonnet"]
VARIABLES = {
    "JOINT_NER_RE_DATA": [name for name in SHIPPED if not name.startswith("sample")],
    "JOINT_NER_RE_GLOVE": PAPER,
    "JOINT_NER_RE_ELMO_OPTIONS": PAPER,
    "JOINT_NER_RE_ELMO_WEIGHTS": PAPER,
    "JOINT_NER_RE_ENCODER": [
        name for name in SHIPPED if "mpnet" in name or name == "ade_minilm_adapted.jsonnet"
    ],
}
TYPES = {
    "ade": (["Adverse-Effect", "Drug"], ["Adverse-Effect"]),
    "conll04": (
        ["Loc", "Org", "Other", "Peop"],
        ["Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For"],
    ),
    "sample": (["Adverse-Effect", "Dose", "Drug"], ["Causes", "Has_Dose"]),
}


def everything(path, directory, overrides=""):
    """What `allennlp train` makes of a configuration before the first step."""
    config = Params.from_file(path, overrides)
    prepare_environment(config)
    return TrainModel.from_params(
        params=config, serialization_dir=str(directory), local_rank=0, batch_weight_key=""
    )


def refined(text="{}", names=SHIPPED):
    """The settings of configurations that refine shipped ones, by their names.

    All are evaluated at once, because jsonnet takes a sixth of a second to begin.
    """
    each = ", ".join(f"'{name}': (import '{CONFIGS / name}') + {text}" for name in names)
    return json.loads(
        params.evaluate_snippet("refined", f"{{ {each} }}", ext_vars=dict(os.environ))
    )


def test_the_shipped_configurations_are_these():
    assert SHIPPED == [
        "ade.jsonnet", "ade_deploy.jsonnet", "ade_minilm.jsonnet", "ade_minilm_adapted.jsonnet",
        "ade_minilm_extended.jsonnet", "ade_minilm_finetuned.jsonnet",
        "ade_minilm_gazetteer.jsonnet", "ade_mpnet.jsonnet", "ade_mpnet_finetuned.jsonnet",
        "ade_mpnet_gazetteer.jsonnet", "ade_scratch.jsonnet", "conll04.jsonnet",
        "conll04_minilm.jsonnet", "conll04_minilm_extended.jsonnet", "conll04_minilm_final.jsonnet",
        "conll04_minilm_finetuned.jsonnet", "conll04_minilm_more_entities.jsonnet",
        "conll04_minilm_more_entities_final.jsonnet", "conll04_mpnet.jsonnet",
        "conll04_mpnet_final.jsonnet", "conll04_mpnet_finetuned.jsonnet",
        "conll04_mpnet_more_entities.jsonnet", "conll04_mpnet_more_entities_final.jsonnet",
        "conll04_scratch.jsonnet", "minilm_ade_neg.jsonnet", "sample.jsonnet",
        "sample_scratch.jsonnet",
    ]  # fmt: skip


@pytest.mark.parametrize("name", JOINT)
def test_a_shipped_configuration_can_learn_and_predict(
    name, published_files, mpnet_directory, in_root, few_threads, tmp_path, monkeypatch
):
    if "mpnet" in name:
        monkeypatch.setenv("JOINT_NER_RE_ENCODER", str(mpnet_directory))
    made = everything(CONFIGS / name, tmp_path)
    model, trainer = made.model, made.trainer
    entities, relations = TYPES[name.split(".")[0].split("_")[0]]
    assert sorted(label_names(model.vocab, ENTITY_NAMESPACE)) == entities
    # The fixture's training part of ADE's first fold has a relation, too.
    assert sorted(label_names(model.vocab, RELATION_NAMESPACE)) == relations
    batch = next(iter(trainer.data_loader))
    model.train()
    loss = model(**batch)["loss"]
    loss.backward()
    trainer.optimizer.step()
    assert torch.isfinite(loss)
    # The final configurations are trained on all that there is and have no validation data.
    batch = next(iter(trainer._validation_data_loader or trainer.data_loader))
    predicted = model.eval()(**batch)["sentences"]
    assert [s.tokens for s in predicted] == [f["sentence"].tokens for f in batch["metadata"]]


def test_a_shipped_configuration_goes_on_with_pretraining(published_files, few_threads, tmp_path):
    made = everything(CONFIGS / "minilm_ade_neg.jsonnet", tmp_path)
    loss = made.model.train()(**next(iter(made.trainer.data_loader)))["loss"]
    loss.backward()
    made.trainer.optimizer.step()
    # The head knows nothing yet: any of 30,522 pieces, log 30,522 = 10.3 nats, and some more.
    assert 10 < loss.item() < 13
    # What is reached after the warm-up: the encoder's, and the head's.
    assert {group["initial_lr"] for group in made.trainer.optimizer.param_groups} == {2e-4, 1e-3}


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_inputs_are_elmo_glove_characters_and_casing(
    name, published_files, few_threads, tmp_path
):
    model = everything(CONFIGS / name, tmp_path).model
    # The tests' ELMo has 8 numbers a word, GloVe 300, two directions of 32 for characters.
    assert model.text_field_embedder.get_output_dim() == 8 + 300 + 64 + 7
    embedders = model.text_field_embedder._token_embedders
    assert not embedders["tokens"].weight.requires_grad
    # Of ELMo only the mix of its layers is learned.
    learned = [n for n, p in embedders["elmo"].named_parameters() if p.requires_grad]
    assert learned and all("scalar_mix" in name for name in learned)


def test_a_prediction_does_not_depend_on_the_one_before(published_files, few_threads, tmp_path):
    """ELMo as AllenNLP has it remembers what it read."""
    made = everything(CONFIGS / "conll04.jsonnet", tmp_path)
    batch = next(iter(made.trainer._validation_data_loader))
    model = made.model.eval()
    first, again = (model(**batch) for _ in range(2))
    assert torch.equal(first["loss"], again["loss"])
    assert first["sentences"] == again["sentences"]


def test_words_of_glove_are_known_though_the_corpus_has_them_not(
    published_files, few_threads, tmp_path
):
    model = everything(CONFIGS / "conll04.jsonnet", tmp_path).model
    numbers = model.vocab.get_token_to_index_vocabulary("tokens")
    # Row 12 of the tests' vectors: (12 + place) % 7 - 3, with .5 behind it.
    vector = model.text_field_embedder._token_embedders["tokens"].weight[numbers["neverseen"]]
    assert vector[:4].tolist() == [2.5, 3.5, -3.5, -2.5]


def test_a_configuration_depends_on_these_environment_variables(published_files, monkeypatch):
    for variable in VARIABLES:
        monkeypatch.setenv(variable, f"<{variable}>")
    for name, config in refined().items():
        found = {variable for variable in VARIABLES if f"<{variable}>" in json.dumps(config)}
        assert found == {variable for variable in VARIABLES if name in VARIABLES[variable]}, name


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_missing_environment_variable_is_an_error_that_names_it(
    variable, published_files, monkeypatch
):
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=f"undefined external variable: {variable}"):
        Params.from_file(CONFIGS / VARIABLES[variable][0])


def test_the_demo_needs_no_environment_variable(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert Params.from_file(CONFIGS / "sample.jsonnet")["model"]["type"] == "joint_ner_re"


@pytest.mark.parametrize("missing", ["dataset_reader", "train_data_path", "validation_data_path"])
def test_what_every_configuration_must_say_is_asked_for(missing):
    given = {
        "dataset_reader": "dataset_reader+: { type: 'joint_ner_re' }",
        "train_data_path": "train_data_path: 'x'",
        "validation_data_path": "validation_data_path: 'x'",
    }
    body = ", ".join(text for name, text in given.items() if name != missing)
    with pytest.raises(ConfigurationError, match=f"Must override {missing}"):
        refined(f"{{ {body} }}", ["joint_ner_re.libsonnet"])


# Pretrained encoders


@pytest.mark.parametrize("name", ["ade_minilm.jsonnet", "conll04_minilm.jsonnet"])
def test_a_frozen_encoder_stays_as_it_is(name, published_files, in_root, few_threads, tmp_path):
    made = everything(CONFIGS / name, tmp_path)
    embedder = made.model.text_field_embedder._token_embedders["contextual"]
    assert [n for n, p in embedder.named_parameters() if p.requires_grad] == ["mix"]
    before = fingerprint(embedder.encoder)
    made.model.train()(**next(iter(made.trainer.data_loader)))["loss"].backward()
    made.trainer.optimizer.step()
    assert fingerprint(embedder.encoder) == before


def test_a_trained_encoder_has_rates_and_decay_of_its_own(
    published_files, in_root, few_threads, tmp_path
):
    made = everything(CONFIGS / "conll04_minilm_finetuned.jsonnet", tmp_path)
    names = {id(p): n for n, p in made.model.named_parameters()}
    groups = {
        names[id(p)]: (group["initial_lr"], group["weight_decay"])
        for group in made.trainer.optimizer.param_groups
        for p in group["params"]
    }
    assert len(groups) == sum(p.requires_grad for p in made.model.parameters())
    for name, (rate, decay) in groups.items():
        encoder = "contextual.encoder" in name
        mix = name.endswith(".mix")
        assert rate == (3e-5 if encoder else 0.02 if mix else 2e-3), name
        plain = mix or "bias" in name or "LayerNorm" in name
        assert decay == (0 if plain else 0.01), name
    # Both kinds in both places, or the loop would show nothing.
    # Of six layers with 16 parameters each the one above the mix is left out.
    assert sum("contextual.encoder" in name for name in groups) == 16 * 5 + 5
    assert sum(decay == 0 for _, decay in groups.values()) > 50


def test_a_step_in_mixed_precision_is_finite(published_files, in_root, few_threads, tmp_path):
    """What `use_amp` does on a GPU, here on the CPU, which takes long for each sentence."""
    few = json.dumps({"data_loader.batch_sampler.batch_size": 1})
    made = everything(CONFIGS / "conll04_minilm_finetuned.jsonnet", tmp_path, few)
    batch = next(iter(made.trainer.data_loader))
    torch.manual_seed(1)
    full = made.model.eval()(**batch)["loss"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = made.model(**batch)["loss"]
    mixed.backward()
    assert mixed.item() == pytest.approx(full.item(), rel=0.02)
    gradients = [p.grad for p in made.model.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("corpus", ["ade", "conll04"])
def test_what_is_not_in_the_paper_is_off_unless_a_name_says_so(corpus, published_files):
    plain, extended = ("", "_scratch", "_minilm", "_minilm_finetuned"), "_minilm_extended"
    configs = refined(names=[f"{corpus}{name}.jsonnet" for name in (*plain, extended)])
    for name in plain:
        model = configs[f"{corpus}{name}.jsonnet"]["model"]
        assert not {"spurious_entities", "token_dropout"} & set(model)
        assert "tag_levels" not in model["entity_finder"]
        assert not any(layers["variational_dropout"] for layers in model["encoder"].values())
        assert "pair_layer" not in model["relation_scorer"]
    model = configs[f"{corpus}{extended}.jsonnet"]["model"]
    assert (model["spurious_entities"], model["token_dropout"]) == (0.5, 0.15)
    assert model["relation_scorer"]["pair_layer"] == {"hidden_size": 128, "dropout": 0.5}
    assert all(layers["variational_dropout"] for layers in model["encoder"].values())
    # CoNLL04 has no entities that overlap.
    assert model["entity_finder"].get("tag_levels", 1) == (2 if corpus == "ade" else 1)


@pytest.mark.parametrize("epochs, more", [(0, []), (3, [{"type": "unfreeze", "epoch": 3}])])
def test_an_encoder_may_be_frozen_at_first(published_files, epochs, more):
    name = "ade_minilm_finetuned.jsonnet"
    (settings,) = refined(f"{{ frozen_epochs:: {epochs} }}", [name]).values()
    assert settings["trainer"]["callbacks"] == [{"type": "progress"}, *more]


@pytest.mark.parametrize("name", ["ade_mpnet.jsonnet", "ade_mpnet_finetuned.jsonnet"])
def test_the_variable_names_the_encoder_whose_layers_are_all_mixed(
    name, published_files, monkeypatch
):
    monkeypatch.setenv("JOINT_NER_RE_ENCODER", "sentence-transformers/all-mpnet-base-v2")
    config = Params.from_file(CONFIGS / name).as_dict()
    embedder = config["model"]["text_field_embedder"]["token_embedders"]["contextual"]
    indexer = config["dataset_reader"]["token_indexers"]["contextual"]
    assert embedder["model_name"] == indexer["model_name"]
    assert embedder["model_name"] == "sentence-transformers/all-mpnet-base-v2"
    assert embedder["layers"] is None
    assert embedder.get("train_parameters", False) == ("finetuned" in name)


@pytest.mark.parametrize(
    "final, tuned, passes, others",
    [
        ("conll04_minilm_final", "conll04_minilm_extended", 1, []),
        ("conll04_mpnet_final", "conll04_mpnet_finetuned", 1, []),
        *(
            (f"conll04_{encoder}_more_entities_final", f"conll04_{encoder}_more_entities", 3,
             ["raw/conll04.corp#entities"])
            for encoder in ("minilm", "mpnet")
        ),
    ],
)  # fmt: skip
def test_a_final_configuration_differs_in_its_data_alone(
    final, tuned, passes, others, published_files, data_root
):
    config, before = (
        Params.from_file(CONFIGS / f"{name}.jsonnet").as_dict() for name in (final, tuned)
    )
    train, dev, *others = (
        f"{data_root}/conll04/{file}"
        for file in ("spert/conll04_train.json", "spert/conll04_dev.json", *others)
    )
    assert config.pop("train_data_path") == [train, dev] * passes + others
    assert config.pop("validation_data_path") is None
    assert before.pop("train_data_path") == [train] * passes + others
    assert before.pop("validation_data_path") == dev
    assert config == before


# Hidden fields


def test_depths_cell_and_sizes_are_set_in_one_place(published_files):
    configs = refined(
        "{ layers:: { shared: 0, ner: 3, relation: 1 }, cell:: 'gru', hidden_size:: 5, "
        "dropout:: 0.125, batch_size:: 6, learning_rate:: 0.25 }",
        JOINT,
    )
    for name, config in configs.items():
        encoder = config["model"]["encoder"]
        depths = [encoder[task]["num_layers"] for task in ("shared", "ner", "relation")]
        assert depths == [0, 3, 1], name
        for task in encoder.values():
            assert (task["cell"], task["hidden_size"], task["dropout"]) == ("gru", 5, 0.125), name
        embedders = config["model"]["text_field_embedder"]["token_embedders"]
        assert embedders["token_characters"]["cell"] == "gru", name
        assert config["trainer"]["optimizer"]["lr"] == 0.25, name
        assert config["data_loader"]["batch_sampler"]["batch_size"] == 6, name
        # Hidden fields stay out of what AllenNLP reads.
        assert not {"layers", "cell", "epochs", "fold", "word_size"} & set(config), name


def test_epochs_are_set_in_one_place(published_files):
    for name, config in refined("{ epochs:: 2 }").items():
        assert config["trainer"]["num_epochs"] == 2, name


def test_one_depth_can_be_changed_alone(published_files):
    (config,) = refined("{ layers+:: { ner: 0 } }", ["conll04_scratch.jsonnet"]).values()
    encoder = config["model"]["encoder"]
    assert [encoder[task]["num_layers"] for task in ("shared", "ner", "relation")] == [1, 0, 2]


def test_the_fold_is_set_in_one_place(published_files):
    of_ade = [name for name in SHIPPED if name.startswith("ade")]
    for name, config in refined("{ fold:: 3 }", of_ade).items():
        assert config["dataset_reader"]["fold"] == 3, name


def test_the_vectors_of_words_have_their_sizes(published_files):
    (scratch,) = refined("{ word_size:: 17 }", ["conll04_scratch.jsonnet"]).values()
    (paper,) = refined("{ word_size:: 50 }", ["conll04.jsonnet"]).values()
    sizes = [
        config["model"]["text_field_embedder"]["token_embedders"]["tokens"]["embedding_dim"]
        for config in (scratch, paper)
    ]
    assert sizes == [17, 50]


@pytest.mark.parametrize("name", PAPER)
def test_the_known_values_of_the_paper_are_set(name, published_files):
    config = Params.from_file(CONFIGS / name).as_dict()
    model = config["model"]
    # The known values of the paper: 1 shared, 1 NER and 2 relation layers of 256 GRU units ...
    for task, depth in (("shared", 1), ("ner", 1), ("relation", 2)):
        layers = model["encoder"][task]
        assert layers == {
            "type": "bi_rnn", "num_layers": depth, "hidden_size": 256, "cell": "gru",
            "dropout": 0.35, "variational_dropout": False,
        }  # fmt: skip
    assert model["relation_scorer"] == {
        "type": "crone", "hidden_size": 128, "activation": "relu", "tag_embedding_size": 25,
        "dropout": 0.5,
    }  # fmt: skip
    assert model["entity_finder"]["scorer"] == {"hidden_size": 32, "activation": "tanh"}
    assert (model["relation_loss_weight"], model["relation_threshold"]) == (5, 0.9)
    assert config["data_loader"]["batch_sampler"]["batch_size"] == 2
    assert config["trainer"]["optimizer"] == {"type": "adam", "lr": 0.0005}
    assert config["trainer"]["grad_norm"] == 1


def test_the_tests_configuration_is_the_shipped_one_but_for_sizes_and_paths(fixtures):
    tiny = Params.from_file(fixtures / "tiny.jsonnet").as_dict()
    sample = Params.from_file(CONFIGS / "sample_scratch.jsonnet").as_dict()
    assert tiny.keys() == sample.keys()

    def different(one, other, path=""):
        if isinstance(one, dict) and isinstance(other, dict):
            names = one.keys() | other.keys()
            return set().union(
                *(different(one.get(n), other.get(n), f"{path}.{n}") for n in names), set()
            )
        return set() if json.dumps(one) == json.dumps(other) else {path.split(".")[-1]}

    assert different(tiny, sample) <= {
        "type", "granularity", "hidden_size", "embedding_dim", "num_epochs", "train_data_path",
        "validation_data_path",
    }  # fmt: skip
