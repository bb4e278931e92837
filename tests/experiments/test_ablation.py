"""The ablation's variants and their comparison."""

import json

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.corpora import read_corpus
from joint_ner_re.experiments.ablation import ablate, ablation_runs, variants_of
from joint_ner_re.experiments.repetition import Source
from joint_ner_re.experiments.significance import compare_runs

SOURCE = Source("tiny.jsonnet")


def with_depths(tiny, shared, ner, relation):
    return tiny(
        **{
            "model.encoder.shared.num_layers": shared,
            "model.encoder.ner.num_layers": ner,
            "model.encoder.relation.num_layers": relation,
            "trainer.num_epochs": 1,
        }
    )


@pytest.mark.parametrize(
    "depths, expected",
    [
        (
            (1, 2, 3),
            {
                "full": (1, 2, 3),
                "no_ner_layers": (1, 0, 3),
                "no_relation_layers": (1, 2, 0),
                "no_specific_layers": (1, 0, 0),
                "all_shared": (6, 0, 0),
            },
        ),
        # Without NER's own, there is nothing of it to be left out.
        (
            (1, 0, 2),
            {"full": (1, 0, 2), "no_relation_layers": (1, 0, 0), "all_shared": (3, 0, 0)},
        ),
    ],
)
def test_the_variants_are_the_papers(tiny, depths, expected):
    found = variants_of(with_depths(tiny, *depths))
    assert {name: tuple(value.values()) for name, value in found.items()} == expected


def test_there_must_be_something_to_leave_out(tiny):
    with pytest.raises(ConfigurationError, match="no layer that belongs to one task"):
        variants_of(with_depths(tiny, 2, 0, 0))


def test_another_encoder_has_no_depths(tiny):
    config = tiny(**{"model.encoder.shared": {"type": "pass_through"}})
    with pytest.raises(ConfigurationError, match="encoder.shared.num_layers is None; expected"):
        variants_of(config)


def test_the_variants_are_compared_over_the_runs_that_both_have(tiny, is_png, tmp_path):
    config = with_depths(tiny, 0, 1, 0)
    ablate(config, tmp_path / "a", SOURCE, [1, 2], samples=200)
    study = json.loads((tmp_path / "a" / "ablation.json").read_text())
    assert list(study["variants"]) == ["full", "no_ner_layers", "all_shared"]
    systems = [
        [
            [list(read_corpus(tmp_path / "a" / name / f"seed_{seed}" / f"validation_{kind}.jsonl"))
             for kind in ("gold", "predictions")]
            for seed in (1, 2)
        ]
        for name in ("full", "all_shared")
    ]  # fmt: skip
    assert study["variants"]["all_shared"]["comparison"] == compare_runs(*systems, samples=200)
    for name, variant in study["variants"].items():
        layers = json.loads((tmp_path / "a" / name / "seed_1" / "config.json").read_text())
        layers = layers["model"]["encoder"]
        assert {k: v["num_layers"] for k, v in layers.items()} == variant["depths"]
        assert variant["parameters"]["trainable"]["mean"] > 10_000
    assert is_png(tmp_path / "a" / "ablation.png")
    page = (tmp_path / "a" / "ablation.md").read_text()
    assert "| all shared | 1 + 0 + 0 |" in page and "The rest" not in page
    before = (tmp_path / "a" / "ablation.json").read_bytes()
    ablate(config, tmp_path / "a", SOURCE, [1, 2], samples=200)
    assert (tmp_path / "a" / "ablation.json").read_bytes() == before


def test_over_folds_each_test_part_is_scored(tiny, tmp_path):
    config = with_depths(tiny, 0, 0, 1)
    ablate(config, tmp_path / "a", SOURCE, [5], folds=[0, 2], samples=50)
    study = json.loads((tmp_path / "a" / "ablation.json").read_text())
    assert (study["part"], study["folds"], study["finished"]) == ("test", [0, 2], 6)
    assert list(study["variants"]["full"]["runs"]) == ["fold_0_seed_5", "fold_2_seed_5"]
    assert study["variants"]["all_shared"]["comparison"]["entity"]["p_value"] > 0


def test_one_run_of_the_full_variant_is_compared_with_what_there_is(tiny, tmp_path):
    from joint_ner_re.experiments import runs
    from joint_ner_re.experiments.repetition import without_seeds

    config, directory = with_depths(tiny, 0, 0, 1), tmp_path / "a"
    data = {"validation": config["validation_data_path"]}
    runs.claim(directory, "ablate", without_seeds(config), data)
    # Another process is at all but two of the runs.
    with (
        runs.locked(directory / ".full.seed_2.lock"),
        runs.locked(directory / ".all_shared.seed_1.lock"),
        runs.locked(directory / ".no_relation_layers.seed_2.lock"),
    ):
        for name in (".full.seed_2", ".all_shared.seed_1", ".no_relation_layers.seed_2"):
            assert (directory / f"{name}.lock").exists()
        ablate(config, directory, SOURCE, [1, 2], samples=50)
    study = json.loads((directory / "ablation.json").read_text())
    assert (study["finished"], study["expected"]) == (3, 6)
    assert study["variants"]["no_relation_layers"]["comparison"] is not None
    assert study["variants"]["all_shared"]["comparison"] is None  # it has the other seed only
    assert "**3 of 6 runs.** The rest: `allennlp ablate" in (directory / "ablation.md").read_text()


def test_without_the_full_variant_there_is_nothing_to_compare(tiny, tmp_path):
    from joint_ner_re.experiments import runs

    config = with_depths(tiny, 0, 0, 1)
    names = [run.name for v, d in variants_of(config).items()
             for run in ablation_runs(config, v, d, [1])]  # fmt: skip
    assert names == ["full/seed_1", "no_relation_layers/seed_1", "all_shared/seed_1"]
    locks = [runs.locked(tmp_path / "a" / f".{name.replace('/', '.')}.lock") for name in names]
    for lock in locks:
        lock.__enter__()
    ablate(config, tmp_path / "a", SOURCE, [1])
    for lock in locks:
        lock.__exit__(None, None, None)
    assert not (tmp_path / "a" / "ablation.json").exists()
