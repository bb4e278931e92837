import json

import pytest

from joint_ner_re.sentence import Sentence
from joint_ner_re.token_agreement import agreement
from joint_ner_re.tokenization import TextTokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer()


def test_figures_by_hand(tokenizer):
    # "(5mg)" is four tokens to spaCy's rules and "rash." two: three of five tokens are the same.
    white_space = Sentence(["The", "Digoxin", "(5mg)", "caused", "rash."])
    found = agreement([white_space], tokenizer)
    assert (found.sentences, found.tokens, found.same, found.share) == (1, 5, 3, 0.6)
    assert found.is_low
    assert found.describe() == (
        "60 % of 5 tokens in 1 sentences are those that the tokenizer makes of the text: "
        "'(5mg)' is '(' '5' 'mg' ')', 'rash.' is 'rash' '.'"
    )
    assert found.to_json()["share"] == 0.6


def test_the_text_counts_where_there_is_one(tokenizer):
    text = "Zoë left."
    sentence = Sentence(["Zoë", "left", "."], text=text, offsets=[(0, 3), (4, 8), (8, 9)])
    assert agreement([sentence], tokenizer).share == 1.0
    # Joined by blanks, the same tokens are made again.
    assert agreement([Sentence(sentence.tokens)], tokenizer).share == 1.0


def test_a_sample_is_enough_and_nothing_agrees_with_nothing(tokenizer):
    stream = iter([Sentence(["a."])] * 10)
    assert agreement(stream, tokenizer, sample=4).sentences == 4
    assert len(list(stream)) == 6
    assert agreement([], tokenizer).share == 1.0 and not agreement([], tokenizer).is_low


@pytest.fixture
def white_space(tmp_path):
    """A corpus whose tokens stand between blanks: of five tokens in a sentence two differ."""
    path = tmp_path / "corpus.jsonl"
    entities = [{"type": "Drug", "start": 1, "end": 2}, {"type": "Effect", "start": 4, "end": 5}]
    record = {"tokens": ["The", "Digoxin", "(5mg)", "caused", "rash."], "entities": entities}
    record["relations"] = [{"type": "causes", "head": 0, "tail": 1}]
    path.write_text("".join(json.dumps({**record, "id": str(n)}) + "\n" for n in range(8)))
    return path


def test_a_training_warns_and_keeps_the_figures(white_space, in_root, few_threads, tmp_path):
    import tarfile

    from allennlp.commands.train import train_model_from_file

    import joint_ner_re.plugin  # noqa: F401

    overrides = {
        "dataset_reader.type": "joint_ner_re",
        "train_data_path": str(white_space),
        "validation_data_path": str(white_space),
        "trainer.num_epochs": 1,
    }
    train_model_from_file("fixtures/tiny.jsonnet", tmp_path / "run", json.dumps(overrides))
    # AllenNLP puts other handlers in the place of pytest's.
    log = (tmp_path / "run" / "out.log").read_text()
    warned = [line for line in log.splitlines() if "tokens are not the reader's" in line]
    assert len(warned) == 1
    assert "60 % of 40 tokens in 8 sentences" in warned[0] and "'rash.' is 'rash' '.'" in warned[0]
    with tarfile.open(tmp_path / "run" / "model.tar.gz") as archive:
        kept = json.load(archive.extractfile("tokens.json"))
    assert (kept["tokens"], kept["same"], kept["share"]) == (40, 24, 0.6)


def test_check_reports_it(white_space, allennlp, tmp_path, capsys):
    allennlp("check", white_space, "--json", tmp_path / "report.json")
    assert "parts whose tokens are not those that the model makes of raw text: 1" in (
        capsys.readouterr().out
    )
    (part,) = json.loads((tmp_path / "report.json").read_text())["parts"].values()
    assert part["token_agreement"]["share"] == 0.6


def test_the_component_warns_once_if_the_tokens_are_not_the_models(tiny_archive, few_threads):
    import warnings

    import spacy
    from spacy.tokens import Doc

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": str(tiny_archive)})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        nlp("Ada left Kesh.")
    words = ["Ada", "left", "Kesh."]
    with pytest.warns(UserWarning, match="67 % of 3 tokens .* 'Kesh.' is 'Kesh' '.'") as caught:
        for _ in range(2):
            nlp(Doc(nlp.vocab, words=words))
    assert len([w for w in caught if "not those of its model" in str(w.message)]) == 1
