"""The script that measures what an encoder costs in training."""

import json
import re

import frozen_vectors
from allennlp.common import Params
from prepared import EMBEDDER


def test_frozen_encoders_give_the_same_training_however_their_vectors_come(
    mpnet_directory, fixtures, tmp_path, in_root, few_threads, capsys
):
    overrides = {
        f"dataset_reader.token_indexers.{EMBEDDER}": {
            "type": "word_pieces", "model_name": str(mpnet_directory),
        },
        f"model.text_field_embedder.token_embedders.{EMBEDDER}": {
            "type": "transformer", "model_name": str(mpnet_directory),
        },
    }  # fmt: skip
    config = Params.from_file(str(fixtures / "tiny.jsonnet"), json.dumps(overrides)).as_dict()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    frozen_vectors.main(str(path))
    rows = [re.split(r" *\| *", line)[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["encoder", "epoch 1", "epoch 2", "loss", "F1"]
    names = [row[0] for row in rows[2:]]
    assert [name.split(",")[0] for name in names] == ["frozen"] * 3 + ["trained"] * 2
    computed, kept, free = (row[3:] for row in rows[2:5])
    assert computed == kept == free
    assert float(computed[0]) > 0
    # Their rate is too high for an encoder, so they show no scores.
    assert [row[3:] for row in rows[5:]] == [["", ""], ["", ""]]
