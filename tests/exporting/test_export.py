"""What export writes, and what it cannot export."""

import json
import shutil

import numpy
import onnx
import pytest
import torch
from torch import nn

from joint_ner_re.exporting import ExportError, check, encoder, export, export_predictor, graphs
from joint_ner_re.exporting.graphs import Graph
from joint_ner_re.modules import PairScorer, RelationScorer
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.runtime.predictor import load_exported

EMBEDDERS = "model.text_field_embedder.token_embedders"
INDEXERS = "dataset_reader.token_indexers"


@pytest.fixture(scope="module")
def predictor_of(make, fixtures):
    def made(overrides):
        one = make(fixtures / "conll04_spert.json", overrides)
        return JointPredictor(one.model, one.reader)

    return made


@pytest.fixture(scope="module")
def with_encoder(predictor_of, bert_directory):
    """An untrained model on an encoder."""
    name = str(bert_directory)
    return predictor_of(
        {
            f"{INDEXERS}.contextual": {"type": "word_pieces", "model_name": name},
            f"{EMBEDDERS}.contextual": {"type": "transformer", "model_name": name},
        }
    )


@RelationScorer.register("of_my_own")
class OfMyOwn(PairScorer):
    pass


def test_the_directory_has_graphs_json_and_a_readme(allennlp, tiny_archive, tmp_path, capsys):
    target = tmp_path / "model"
    allennlp("export", tiny_archive, target)
    assert capsys.readouterr().out.endswith(f"{target}: exported in 32 bits\n")
    names = sorted(path.name for path in target.iterdir())
    assert names == [
        "README.md", "entities.onnx", "feature_1.onnx", "feature_2.onnx", "joint_ner_re.json",
        "metrics.json", "pairs.onnx", "states.onnx", "transitions.json", "vocabulary.json",
    ]  # fmt: skip
    for path in target.glob("*.onnx"):
        graph = onnx.load(path)
        onnx.checker.check_model(graph)
        # Operators of the standard alone, with weights in the file itself.
        assert [one.domain for one in graph.opset_import] == [""]
        assert not any(one.external_data for one in graph.graph.initializer)
    manifest = json.loads((target / "joint_ner_re.json").read_text())
    assert manifest["entity_types"] == ["Loc", "Peop", "Org", "Other"]
    assert (manifest["relation_threshold"], manifest["most_relations"]) == (0.5, 20_000)
    readme = (target / "README.md").read_text()
    metrics = json.loads((tiny_archive.parent / "metrics.json").read_text())
    assert f"| entity f1 | {100 * metrics['best_validation_entity_f1']:.2f} |" in readme
    assert '"hidden_size": 8' in readme


def test_without_scores_the_readme_says_how_to_measure_them(tiny_archive, tmp_path):
    shutil.copy(tiny_archive, tmp_path / "model.tar.gz")
    export(tmp_path / "model.tar.gz", tmp_path / "model")
    assert "allennlp evaluate" in (tmp_path / "model" / "README.md").read_text()


def test_a_directory_with_other_files_stays_as_it_is(tiny_archive, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    with pytest.raises(OSError, match="model"):
        export(tiny_archive, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "overrides, reason",
    [
        (
            {"model.relation_scorer": {"type": "of_my_own"}},
            "model.relation_scorer is OfMyOwn, which cannot be exported; expected crone",
        ),
        (
            {"model.encoder.ner": {"type": "lstm", "hidden_size": 4}},
            "model.encoder.ner is LstmSeq2SeqEncoder, which cannot be exported; expected bi_rnn",
        ),
        (
            {"model.entity_finder.scorer.activation": "gelu"},
            "model.entity_finder.scorer.activation is GELU, which cannot be exported",
        ),
        (
            {f"{INDEXERS}.tokens.end_tokens": ["x"]},
            "SingleIdTokenIndexer: end_tokens cannot be exported",
        ),
        (
            {
                f"{EMBEDDERS}.token_characters": {
                    "type": "character_encoding", "embedding": {"embedding_dim": 4},
                    "encoder": {"type": "cnn", "embedding_dim": 4, "num_filters": 2},
                },
                f"{INDEXERS}.token_characters.min_padding_length": 5,
            },
            f"{EMBEDDERS}.token_characters is TokenCharactersEncoder, which cannot be exported",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_named(predictor_of, tmp_path, overrides, reason):
    with pytest.raises(ExportError, match=reason.replace(".", r"\.")):
        export_predictor(predictor_of(overrides), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_elmo_is_named(predictor_of, elmo_files, tmp_path):
    options, weights = map(str, elmo_files)
    predictor = predictor_of(
        {
            f"{INDEXERS}.elmo": {"type": "elmo_characters"},
            f"{EMBEDDERS}.elmo": {
                "type": "elmo_token_embedder", "options_file": options, "weight_file": weights,
            },
        }
    )  # fmt: skip
    with pytest.raises(
        ExportError, match=r"token_embedders\.elmo is ElmoTokenEmbedder, which cannot"
    ):
        export_predictor(predictor, tmp_path / "model")


def test_a_pipeline_in_a_directory_is_named(predictor_of, tmp_path):
    predictor = predictor_of({})
    predictor._dataset_reader.tokenizer.pipeline = "my/pipeline"
    try:
        with pytest.raises(ExportError, match="tokenizer_pipeline is the directory 'my/pipeline'"):
            export_predictor(predictor, tmp_path / "model")
    finally:
        predictor._dataset_reader.tokenizer.pipeline = "en"


def test_the_rules_of_sentences_come_along(predictor_of, tmp_path):
    predictor = predictor_of({"dataset_reader.sentence_rules": "abbreviations"})
    export_predictor(predictor, tmp_path / "model")
    exported = load_exported(tmp_path / "model")
    assert exported.text_tokenizer.sentence_rules == "abbreviations"
    record = {"text": "We saw Ada (Fig. 2). She left."}
    found = [one.predict_batch_json([record])[0]["sentences"] for one in (predictor, exported)]
    assert found[0] == found[1] and len(found[0]) == 2


def test_another_number_of_bits_is_an_error(predictor_of, tmp_path):
    with pytest.raises(ExportError, match="bits is 4; expected one of 32, 8"):
        export_predictor(predictor_of({}), tmp_path / "model", bits=4)


def test_graphs_that_give_other_numbers_are_not_written(predictor_of, tmp_path, monkeypatch):
    predictor = predictor_of({})
    expected = check._expected

    def other(*arguments):
        *scores, logits = expected(*arguments)
        return [*scores, logits + 0.01] if wrong == "relation" else [scores[0] * numpy.nan, logits]

    monkeypatch.setattr(check, "_expected", other)
    for wrong in ("relation", "tag"):
        with pytest.raises(ExportError, match=f"give other {wrong} scores"):
            export_predictor(predictor, tmp_path / "model")
        assert list(tmp_path.iterdir()) == []


def test_a_model_in_16_bits_is_exported_in_32(predictor_of, tmp_path):
    predictor = predictor_of({"model.bfloat16": True})
    export_predictor(predictor, tmp_path / "model")
    assert predictor._model._bfloat16 is True


def test_an_encoder_that_cannot_be_traced_is_named(with_encoder, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("no operator for this")

    monkeypatch.setattr(torch.onnx, "export", broken)
    with pytest.raises(ExportError, match=r"the kind bert cannot be exported \(no operator for"):
        export_predictor(with_encoder, tmp_path / "model")


def test_eight_bits_are_smaller_and_nearly_the_same(with_encoder, tmp_path):
    for bits in (32, 8):
        export_predictor(with_encoder, tmp_path / str(bits), bits)
    written = [onnx.load(tmp_path / str(bits) / "feature_1.onnx") for bits in (32, 8)]
    kinds = [{node.op_type for node in graph.graph.node} for graph in written]
    assert "MatMulIntegerToFloat" in kinds[1] - kinds[0]
    for name in ("states.onnx", "entities.onnx", "pairs.onnx", "feature_2.onnx"):
        assert (tmp_path / "8" / name).read_bytes() == (tmp_path / "32" / name).read_bytes()
    one, other = (load_exported(tmp_path / str(bits), threads=1) for bits in (32, 8))
    assert (one.model.manifest.bits, other.model.manifest.bits) == (32, 8)
    sentences = check.made_up_sentences()
    scores = [p.model.compute(sentences)[0]["scores_0"] for p in (one, other)]
    difference = numpy.abs(scores[0] - scores[1])[numpy.isfinite(scores[0])]
    assert 0 < difference.max() < 0.1


def test_an_encoder_of_two_gigabytes_is_refused(with_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "MAX_BYTES", 1000)
    with pytest.raises(ExportError, match="the encoder bert has .* GB of weights; expected less"):
        export_predictor(with_encoder, tmp_path / "model")


def test_a_graph_of_two_gigabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(graphs, "MAX_BYTES", 10)
    graph = Graph("states")
    graph.output(graph.linear(graph.input("x", "float", ["n", 2]), torch.ones(1, 2)), "y", ["n", 1])
    with pytest.raises(ExportError, match="states has .* GB of weights; expected less than 2 GB"):
        graph.save(str(tmp_path / "x.onnx"))


def test_an_activation_without_parameters_is_the_identity():
    graph = Graph("x")
    assert graph.activation("value", nn.Identity(), "part") == "value"
