"""An encoder that goes on with its pretraining on other texts."""

import json

import pytest
import torch
from allennlp.commands.train import train_model_from_file
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Vocabulary
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

import joint_ner_re.plugin  # noqa: F401
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.pretrained import (
    MaskedPiecesModel,
    WordPieceIndexer,
    fingerprint,
    load_encoder,
    piece_tokenizer,
)
from joint_ner_re.sentence import Sentence

# Of the tests' encoder: 14 pieces, of which 0 to 4 are special.
CLS, SEP, MASK, PIECES = 2, 3, 4, 14
SENTENCES = [
    Sentence(["lithium", "caused", "tremors", "."]),
    Sentence(["the", "ab", "caused", "a", "tremor", "."]),
]


@pytest.fixture
def model(bert_directory):
    torch.manual_seed(3)
    return MaskedPiecesModel(Vocabulary(), str(bert_directory), hidden=0.5)


@pytest.fixture
def batch_of(bert_directory):
    reader = JointReader({"contextual": WordPieceIndexer(str(bert_directory))})

    def batch(sentences):
        instances = [reader.text_to_instance(sentence) for sentence in sentences]
        for instance in instances:
            reader.apply_token_indexers(instance)
        batch = Batch(instances)
        batch.index_instances(Vocabulary())
        return batch.as_tensor_dict()

    return batch


@pytest.fixture
def train(root, fixtures, in_root, few_threads, bert_directory, data_root, monkeypatch, tmp_path):
    """Trains with the shipped configuration on the tests' encoder; returns the directory."""
    monkeypatch.setenv("JOINT_NER_RE_DATA", str(data_root))

    def trained(name, recover=False, **more):
        overrides = {
            "model.model_name": str(bert_directory),
            "dataset_reader.token_indexers.contextual.model_name": str(bert_directory),
            "data_loader.batch_sampler.batch_size": 2,
            "trainer.num_epochs": 2,
            **more,
        }
        config = root / "training_config" / "minilm_ade_neg.jsonnet"
        train_model_from_file(config, tmp_path / name, json.dumps(overrides), recover=recover)
        return tmp_path / name

    return trained


def test_so_many_pieces_are_guessed_and_most_of_them_masked(bert_directory):
    model = MaskedPiecesModel(Vocabulary(), str(bert_directory))
    torch.manual_seed(0)
    lengths = torch.randint(1, 100, (2000, 1))
    pieces = torch.randint(6, PIECES + 1, (2000, 100)) * (torch.arange(100) < lengths)
    visible, guessed = model._hide(pieces)
    real = pieces > 0
    assert not guessed[~real].any() and torch.equal(visible[~guessed], pieces[~guessed])
    # Of 100,000 pieces: three standard deviations are 0.0034, and 0.0098 of what is guessed.
    assert guessed[real].float().mean().item() == pytest.approx(0.15, abs=0.0034)
    masked = visible[guessed] == MASK + 1
    same = visible[guessed] == pieces[guessed]
    # A tenth is replaced by any of 14: one of these is the mask, one what it was.
    assert masked.float().mean().item() == pytest.approx(0.8 + 0.1 / PIECES, abs=0.0098)
    assert same.float().mean().item() == pytest.approx(0.1 + 0.1 / PIECES, abs=0.0074)
    others = set(visible[guessed].tolist())
    assert others == set(range(1, PIECES + 1))


def test_the_loss_is_that_of_the_pieces_that_are_guessed(model, batch_of, bert_directory):
    """By hand with the encoder itself: one sentence after the other, without padding."""
    model.eval()
    batch = batch_of(SENTENCES)
    hidden = {0: [1, 3], 1: [0, 2]}

    def hide(pieces):
        guessed = torch.zeros_like(pieces, dtype=torch.bool)
        for row, places in hidden.items():
            guessed[row, places] = True
        return pieces.masked_fill(guessed, MASK + 1), guessed

    model._hide = hide
    tokenizer = AutoTokenizer.from_pretrained(bert_directory)
    encoder = AutoModel.from_pretrained(bert_directory).eval()
    losses = []
    for row, sentence in enumerate(SENTENCES):
        ids = tokenizer(" ".join(sentence.tokens), return_tensors="pt")["input_ids"][0]
        assert ids[0] == CLS and ids[-1] == SEP
        places = [place + 1 for place in hidden[row]]
        targets = ids[places].clone()
        ids[places] = MASK
        states = encoder(ids.unsqueeze(0)).last_hidden_state[0, places]
        first, _, norm = model.head
        states = norm(F.gelu(states @ first.weight.T + first.bias))
        scores = states @ encoder.embeddings.word_embeddings.weight.T + model.bias
        losses += [-s.log_softmax(0)[t] for s, t in zip(scores, targets)]
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(model(**batch)["loss"], expected)
    # The metric is the mean over pieces, not over batches.
    hidden = {0: [0]}
    second = model(**batch_of(SENTENCES[:1]))["loss"]
    mean = (4 * expected + second) / 5
    assert model.get_metrics(reset=True) == {"piece_loss": pytest.approx(mean.item(), rel=1e-5)}
    assert model.get_metrics() == {"piece_loss": 0.0}


def test_it_learns_to_guess(model, batch_of):
    torch.manual_seed(0)
    batch = batch_of(SENTENCES)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(**batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Any of 14 pieces: log 14 = 2.6 nats.
    assert sum(losses[-20:]) < 0.6 * sum(losses[:20])
    assert sum(losses[:20]) / 20 > 1.5


def test_every_weight_has_a_gradient(model, batch_of):
    torch.manual_seed(1)
    model(**batch_of(SENTENCES))["loss"].backward()
    # The vectors of kinds of sentences are there for pairs of them; BERT's keys need no bias.
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("sentences", [[Sentence([])], [Sentence([]), Sentence([])]])
def test_a_batch_without_tokens_has_no_loss(model, batch_of, sentences):
    output = model(**batch_of(sentences))
    assert output["loss"].item() == 0
    output["loss"].backward()


def test_a_text_longer_than_the_encoder_is_read_in_windows(model, batch_of):
    torch.manual_seed(0)
    long = Sentence(["lithium", "caused", "tremors", "and", "the", "ab", "."] * 9)
    assert torch.isfinite(model(**batch_of([long]))["loss"])


def test_sixteen_bits_change_little(bert_directory, batch_of):
    losses = []
    for bfloat16 in (False, True):
        torch.manual_seed(3)
        model = MaskedPiecesModel(Vocabulary(), str(bert_directory), 0.5, bfloat16).eval()
        torch.manual_seed(4)
        losses.append(model(**batch_of(SENTENCES))["loss"].item())
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_training_leaves_an_encoder_that_others_take(train, bert_directory):
    run = train("run")
    weights = torch.load(run / "best.th", map_location="cpu")
    encoder = load_encoder(str(run / "encoder"))
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, weights[f"embedder.encoder.{name}"])
    assert fingerprint(encoder) != fingerprint(load_encoder(str(bert_directory)))
    words = ["lithium", "bb", "?", "tremors"]
    for name in (run / "encoder", bert_directory):
        pieces = piece_tokenizer(str(name)).pieces(words)
        assert pieces.words == [0, 1, 1, 2, 3, 3]
    # As the one that it began with, for others than this package, too.
    made, began = (AutoTokenizer.from_pretrained(d) for d in (run / "encoder", bert_directory))
    assert made.model_max_length == began.model_max_length
    assert made.get_vocab() == began.get_vocab()
    losses = [
        json.loads((run / f"metrics_epoch_{epoch}.json").read_text())["training_piece_loss"]
        for epoch in range(2)
    ]
    assert 0 < losses[1] < 4 and 0 < losses[0] < 4


def test_an_interrupted_training_ends_as_if_it_had_not_been(train, interrupt):
    whole = fingerprint(load_encoder(str(train("whole") / "encoder")))
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        train("broken")
    found = train("broken", recover=True)
    assert fingerprint(load_encoder(str(found / "encoder"))) == whole


def test_two_processes_train_one_encoder(train, few_imports):
    # Of five sentences in batches of two per process one has nothing in the last one.
    run = train("run", distributed={"cuda_devices": [-1, -1]})
    weights = torch.load(run / "best.th", map_location="cpu")
    encoder = load_encoder(str(run / "encoder"))
    assert all(
        torch.equal(value, weights[f"embedder.encoder.{name}"])
        for name, value in encoder.state_dict().items()
    )


def test_the_callback_wants_this_model(fixtures, in_root, few_threads, tmp_path):
    overrides = json.dumps({"trainer.callbacks": [{"type": "save_encoder"}]})
    with pytest.raises(ConfigurationError, match="no encoder to save; expected a model of type"):
        train_model_from_file(fixtures / "tiny.jsonnet", tmp_path / "run", overrides)


@pytest.mark.parametrize("change, message", [
    ({"hidden": 0}, "hidden is 0: there is nothing to guess; expected more than 0"),
    ({"hidden": 1.5}, "hidden is 1.5; expected"),
    ({"hidden": "x"}, "model.hidden is 'x'; expected a number"),
    ({"hiden": 0.1}, "model.hiden is no option of Masked.*; did you mean 'hidden'"),
    ({"bfloat16": 1}, "model.bfloat16 is 1; expected true or false"),
])  # fmt: skip
def test_an_impossible_option_is_an_error(train, change, message):
    change = {f"model.{name}": value for name, value in change.items()}
    with pytest.raises(ConfigurationError, match=message):
        train("run", **change)


def test_a_tokenizer_without_a_mask_is_an_error(bert_directory, monkeypatch):
    monkeypatch.setattr(type(piece_tokenizer(str(bert_directory))), "mask", None)
    with pytest.raises(ConfigurationError, match="its tokenizer has no mask"):
        MaskedPiecesModel(Vocabulary(), str(bert_directory))
