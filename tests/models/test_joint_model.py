import json
import math
from dataclasses import replace
from itertools import permutations, product
from types import SimpleNamespace

import pytest
import torch
from allennlp.commands.train import train_model_from_file
from allennlp.common.checks import ConfigurationError
from allennlp.common.testing import ModelTestCase
from allennlp.data import Batch
from allennlp.models import load_archive

from joint_ner_re.corpora import write_corpus
from joint_ner_re.metrics import score
from joint_ner_re.models import joint_model
from joint_ner_re.modules import EntitySpans
from joint_ner_re.sentence import Entity, Relation, Sentence

# Small enough for brute force over the tags, with a sentence of each awkward kind.
DRUG, EFFECT = "Drug", "Effect"
TWO = Sentence(
    ["lithium", "caused", "tremor"],
    [Entity(DRUG, 0, 1), Entity(EFFECT, 2, 3)],
    [Relation("Causes", 0, 1)],
    id="two",
)
THREE = Sentence(
    ["acute", "rash", "naproxen", "lithium"],
    [Entity(EFFECT, 0, 2), Entity(DRUG, 2, 3), Entity(DRUG, 3, 4)],
    [Relation("Causes", 2, 0), Relation("Before", 0, 2), Relation("Before", 1, 2)],
    id="three",
)
ONE = Sentence(["no", "tremor"], [Entity(EFFECT, 1, 2)], id="one")
NONE = Sentence(["nothing", "happened", "."], id="none")
EMPTY = Sentence([], id="empty")
# Tags hold "acute rash" and leave "rash" out, with its relation.
OVERLAP = Sentence(
    ["acute", "rash", "naproxen"],
    [Entity(EFFECT, 0, 2), Entity(EFFECT, 1, 2), Entity(DRUG, 2, 3)],
    [Relation("Causes", 2, 0), Relation("Causes", 2, 1)],
    id="overlap",
)
CORPUS = [TWO, THREE, ONE, NONE, EMPTY]
EMBEDDERS = "text_field_embedder.token_embedders"


def batch_of(made, indices=None):
    instances = made.instances if indices is None else [made.instances[i] for i in indices]
    batch = Batch(instances)
    batch.index_instances(made.vocab)
    return batch.as_tensor_dict()


def outputs_of(module, action):
    """What a module returned, one entry a call, while `action` ran; and what that returned."""
    calls = []
    hook = module.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output)))
    try:
        return calls, action()
    finally:
        hook.remove()


def crf_of(model):
    return model.entity_finder.levels[0].crf


def predict_tags(monkeypatch, made, rows):
    """Has the model decode these tags, given by name, whatever its scores."""
    length = max(map(len, rows))
    numbers = [[made.model.entity_finder.codec.tags.index(tag) for tag in row] for row in rows]
    tags = torch.tensor([row + [0] * (length - len(row)) for row in numbers])
    monkeypatch.setattr(crf_of(made.model), "viterbi", lambda scores, mask: tags)


def triples(sentence):
    return {
        (r.type, sentence.entities[r.head].key, sentence.entities[r.tail].key)
        for r in sentence.relations
    }


# Training, saving, loading


class TestTraining(ModelTestCase):
    @pytest.fixture(autouse=True)
    def here(self, fixtures, in_root, few_threads):
        self.config = fixtures / "tiny.jsonnet"

    @pytest.mark.parametrize(
        "overrides",
        [
            {},
            {"model.relation_loss_average": "pair_mean", "model.entity_finder.tag_scheme": "BIO"},
            {
                "model.relation_scorer.tag_embedding_size": 0,
                "model.entity_finder.scorer.hidden_size": 0,
            },
            {"model.entity_finder.tag_levels": 2},
        ],
    )
    def test_every_parameter_learns_and_a_saved_model_is_the_same(self, overrides):
        # All in one batch: every relation type and every tag is in it.
        overrides = {"data_loader": {"batch_size": 11}, "trainer.num_epochs": 1, **overrides}
        # The hidden units that ReLU switches off are the seed's choice.
        self.ensure_model_can_train_save_and_load(
            self.config, overrides=json.dumps(overrides), seed=1
        )


def test_the_same_seed_gives_the_same_weights_and_metrics(fixtures, in_root, tiny_run, tmp_path):
    train_model_from_file(fixtures / "tiny.jsonnet", tmp_path / "again")
    first, second = (torch.load(run / "best.th") for run in (tiny_run, tmp_path / "again"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = (
        json.loads((run / "metrics.json").read_text()) for run in (tiny_run, tmp_path / "again")
    )
    measured = {n for n in first if n == "seconds" or "duration" in n or "memory" in n}
    assert {n: first[n] for n in first.keys() - measured} == {
        n: second[n] for n in second.keys() - measured
    }


def test_another_seed_gives_other_weights(make):
    first, second = (make(CORPUS, seed=seed).model.state_dict() for seed in (1, 2))
    assert any(not torch.equal(first[name], second[name]) for name in first)


# The loss


@torch.no_grad()
def brute_force_nll(model, scores, tags):
    """The negative log-likelihood of `tags` among all well-formed sequences, one by one."""
    codec, crf = model.entity_finder.codec, crf_of(model)

    def total(path):
        emitted = sum(scores[place, tag] for place, tag in enumerate(path))
        entered = sum(crf.transitions[a, b] for a, b in zip(path, path[1:]))
        return float(emitted + entered + crf.start[path[0]] + crf.end[path[-1]])

    def well_formed(path):
        names = [codec.tags[tag] for tag in path]
        return (
            codec.may_start(names[0])
            and codec.may_end(names[-1])
            and all(codec.may_follow(a, b) for a, b in zip(names, names[1:]))
        )

    paths = filter(well_formed, product(range(len(codec)), repeat=len(scores)))
    gold = total([codec.tags.index(tag) for tag in tags])
    return math.log(sum(math.exp(total(path)) for path in paths)) - gold


@pytest.mark.parametrize("scheme", ["BIO", "BIOUL"])
@pytest.mark.parametrize("average", ["sentence_mean", "pair_mean"])
def test_the_loss_is_the_nll_plus_lambda_times_the_cross_entropy(make, scheme, average):
    made = make(
        CORPUS,
        {
            "model.entity_finder.tag_scheme": scheme,
            "model.relation_loss_average": average,
            "model.relation_loss_weight": 3.0,
        },
    )
    model = made.model.eval()
    batch = batch_of(made)

    def loss():
        return outputs_of(model.relation_scorer, lambda: model(**batch)["loss"])

    scorer_calls, (relation_calls, found) = outputs_of(model.entity_finder.levels[0].scorer, loss)
    tag_scores, logits = scorer_calls[0][1].detach(), relation_calls[0][1].detach()

    types = list(model._relation_types)
    ner, relation, terms = 0.0, 0.0, 0
    for row, sentence in enumerate(CORPUS):
        if sentence.tokens:
            tags = model.entity_finder.codec.encode(sentence.entities, len(sentence.tokens))
            ner += brute_force_nll(model, tag_scores[row, : len(sentence.tokens)], tags)
        gold = {(r.head, r.tail, r.type) for r in sentence.relations}
        for head, tail in permutations(range(len(sentence.entities)), 2):
            for number, name in enumerate(types):
                p = 1 / (1 + math.exp(-float(logits[row, head, tail, number])))
                relation -= math.log(p if (head, tail, name) in gold else 1 - p)
                terms += 1
    assert terms == 2 * (2 + 6)  # two types; 2 and 6 ordered pairs
    relation /= terms if average == "pair_mean" else len(CORPUS)
    ner /= len(CORPUS)
    assert found.item() == pytest.approx(ner + 3 * relation, rel=1e-4)
    metrics = model.get_metrics()
    assert metrics["ner_loss"] == pytest.approx(ner, rel=1e-4)
    assert metrics["relation_loss"] == pytest.approx(relation, rel=1e-4)


@pytest.mark.parametrize("average", ["sentence_mean", "pair_mean"])
@pytest.mark.parametrize(
    "indices",
    [[0], [2], [3], [4], [4, 4], [2, 3], [4, 3], [0, 4], [2, 2]],
    ids=lambda indices: "+".join(CORPUS[i].id for i in indices),
)
def test_losses_and_gradients_are_finite_for_every_kind_of_batch(make, indices, average):
    made = make(CORPUS, {"model.relation_loss_average": average})
    loss = made.model.train()(**batch_of(made, indices))["loss"]
    loss.backward()
    assert torch.isfinite(loss) and loss >= 0
    for name, parameter in made.model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    for value in made.model.get_metrics(reset=True).values():
        assert math.isfinite(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_training_and_names_the_sentences(make, value):
    made = make([*CORPUS, replace(ONE, id="")])
    # The scores of one word, which stands in two of the sentences.
    word = made.vocab.get_token_index("tremor", "tokens")
    embedder = made.model.text_field_embedder.token_embedder_tokens
    with torch.no_grad():
        embedder.weight[word] = value
    model = made.model.train()
    assert torch.isfinite(model(**batch_of(made, [1, 3]))["loss"])
    with pytest.raises(ValueError, match="loss of a training batch is nan") as caught:
        model(**batch_of(made, [0, 3, 5]))
    assert "'two', 'none', 'no tremor'" in str(caught.value)
    assert "trainer.optimizer.lr" in str(caught.value)
    # Whoever only looks is told the loss as it is.
    assert not torch.isfinite(model.eval()(**batch_of(made, [0, 3]))["loss"])


def test_an_infinite_loss_ends_training_too(make):
    made = make(CORPUS)

    def infinite(*_):
        return torch.tensor(math.inf)

    made.model.entity_finder.loss = infinite
    with pytest.raises(ValueError, match="loss of a training batch is inf.*'two'"):
        made.model.train()(**batch_of(made, [0]))


def unrelated(batch, row):
    """The batch, in which nothing is known of the relations of one sentence."""
    known = batch["annotation"]["relations_known"].clone()
    known[row] = False
    return {**batch, "annotation": {**batch["annotation"], "relations_known": known}}


@pytest.mark.parametrize("average", ["sentence_mean", "pair_mean"])
def test_unknown_relations_are_in_no_loss(make, average):
    made = make(CORPUS, {"model.relation_loss_average": average})
    model = made.model.eval()

    def losses(batch):
        model.zero_grad()
        model(**batch)["loss"].backward()
        gradients = {name: p.grad.clone() for name, p in model.relation_scorer.named_parameters()}
        return model.get_metrics(reset=True), gradients

    alone, expected = losses(batch_of(made, [0]))
    other, _ = losses(batch_of(made, [1]))
    both, found = losses(unrelated(batch_of(made, [0, 1]), 1))
    # The relations' loss and gradients are those of the first sentence, as if it were by itself.
    assert both["relation_loss"] == pytest.approx(alone["relation_loss"], rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-7), name
    # Entities are of both.
    entities = (alone["ner_loss"] + other["ner_loss"]) / 2
    assert both["ner_loss"] == pytest.approx(entities, rel=1e-5)


def test_a_batch_without_a_known_relation_learns_entities(make):
    made = make(CORPUS)
    output = made.model(**unrelated(batch_of(made, [1]), 0))
    output["loss"].backward()
    metrics = made.model.get_metrics()
    assert metrics["relation_loss"] == 0
    assert output["loss"].item() == pytest.approx(metrics["ner_loss"], rel=1e-5)


def test_unknown_relations_are_neither_right_nor_wrong(make, monkeypatch):
    made = make([TWO, replace(TWO, id="unrelated", relations=())])
    made.model.eval()
    made.model.relation_threshold = 0.0
    batch = batch_of(made)
    predict_tags(monkeypatch, made, [["U-Drug", "O", "U-Effect"]] * 2)
    made.model(**batch)
    before = made.model.get_metrics(reset=True)
    made.model(**unrelated(batch, 1))
    after = made.model.get_metrics(reset=True)
    # All four of each sentence: two directions of one pair, and two types... of which one is gold.
    assert after["entity_f1"] == before["entity_f1"] == 1
    assert after["relation_precision"] == pytest.approx(2 * before["relation_precision"])


def test_a_batch_without_pairs_has_no_relation_loss(make):
    made = make(CORPUS)
    made.model(**batch_of(made, [2, 3]))
    metrics = made.model.get_metrics()
    assert metrics["relation_loss"] == 0 < metrics["ner_loss"]


def test_padding_does_not_change_a_loss(make):
    made = make([*CORPUS, Sentence(["word"] * 40, id="long")])
    model = made.model.eval()
    with torch.no_grad():
        single = [float(model(**batch_of(made, [i]))["loss"]) for i in range(6)]
        together = float(model(**batch_of(made))["loss"])
    assert together == pytest.approx(sum(single) / 6, rel=1e-5)


# Gold in the loss, decoded at prediction


def test_training_does_not_decode(make, monkeypatch):
    made = make(CORPUS)
    calls = []
    viterbi = crf_of(made.model).viterbi
    monkeypatch.setattr(
        crf_of(made.model),
        "viterbi",
        lambda *inputs: calls.append(1) or viterbi(*inputs),
    )
    output = made.model.train()(**batch_of(made))
    assert (sorted(output), len(calls)) == (["loss"], 0)
    output = made.model.eval()(**batch_of(made))
    assert (sorted(output), len(calls)) == (["loss", "sentences"], 1)


def test_the_loss_pairs_gold_entities_and_the_prediction_decoded_ones(make, monkeypatch):
    made = make([THREE], {"model.relation_threshold": 0.0})
    model = made.model.eval()
    predict_tags(monkeypatch, made, [["U-Drug", "O", "B-Effect", "L-Effect"]])
    calls, output = outputs_of(model.relation_scorer, lambda: model(**batch_of(made)))
    _, gold_tags, gold = calls[0][0]
    assert gold.lasts.tolist() == [[1, 2, 3]]
    names = [model.entity_finder.codec.tags[tag] for tag in gold_tags[0]]
    assert names == ["L-Effect", "U-Drug", "U-Drug"]
    (sentence,) = output["sentences"]
    assert [e.key for e in sentence.entities] == [(DRUG, 0, 1), (EFFECT, 2, 4)]
    assert triples(sentence) == {
        (name, *pair)
        for name in ("Causes", "Before")
        for pair in permutations([(DRUG, 0, 1), (EFFECT, 2, 4)])
    }


@pytest.mark.parametrize("share, decoded", [(0.0, False), (1.0, True)])
def test_spurious_entities_stand_behind_the_gold_ones(make, monkeypatch, share, decoded):
    """Decoded: one right, one with the wrong type, one where there is nothing."""
    made = make([THREE, TWO], {"model.spurious_entities": share})
    model = made.model.train()
    batch = batch_of(made)
    gold = {name: batch["annotation"][name].tolist() for name in ("starts", "ends", "types")}
    rows = [["U-Effect", "O", "U-Drug", "U-Effect"], ["O", "O", "O"]]
    predict_tags(monkeypatch, made, rows)
    calls, output = outputs_of(model.relation_scorer, lambda: model(**batch))
    _, tags, spans = calls[0][0]
    assert sorted(output) == ["loss"] and torch.isfinite(output["loss"])
    codec = model.entity_finder.codec
    found = [
        [
            (codec.types[number], start, end, codec.tags[tag])
            for number, start, end, tag, real in zip(*columns)
            if real
        ]
        for columns in zip(
            *(t.tolist() for t in (spans.types, spans.starts, spans.ends, tags, spans.mask))
        )
    ]
    golden = [
        [(EFFECT, 0, 2, "L-Effect"), (DRUG, 2, 3, "U-Drug"), (DRUG, 3, 4, "U-Drug")],
        found[1],
    ]
    wrong = [(EFFECT, 0, 1, "U-Effect"), (EFFECT, 3, 4, "U-Effect")]
    assert found == [golden[0] + wrong, golden[1]] if decoded else golden
    assert len(found[1]) == sum(end > 0 for end in gold["ends"][1][:2])


def test_spurious_entities_have_no_relation_and_gold_ones_keep_theirs(make, monkeypatch):
    """With scores that do not depend on the pair, each wrong pair adds its own -log(1 - p)."""
    made = make([THREE], {"model.spurious_entities": 1.0})
    model = made.model.train()
    for parameter in model.relation_scorer.parameters():
        parameter.data.zero_()
    model.relation_scorer.output.bias.data.fill_(0.4)
    predict_tags(monkeypatch, made, [["O", "O", "O", "U-Effect"]])
    with torch.no_grad():
        model(**batch_of(made))
    loss = model.get_metrics(reset=True)["relation_loss"]
    # 4 entities make 12 ordered pairs, 2 types of relation each; some are gold.
    positive = len(THREE.relations)
    p = 1 / (1 + math.exp(-0.4))
    assert loss == pytest.approx(-positive * math.log(p) - (24 - positive) * math.log(1 - p))


@pytest.mark.parametrize("training", [True, False])
def test_token_dropout_drops_whole_tokens_in_training_only(make, training):
    made = make(CORPUS, {"model.token_dropout": 0.5})
    model = made.model.train(training)
    calls, _ = outputs_of(model.encoder, lambda: model(**batch_of(made)))
    inputs, mask = calls[0][0]
    torch.manual_seed(0)
    dropped = (inputs == 0).all(dim=2) & mask
    partly = (inputs == 0).sum(dim=2)[mask & ~dropped]
    assert bool(dropped.any()) == training
    assert bool((~dropped & mask).any()) and bool((partly < inputs.size(2)).all())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_sixteen_bits_change_states_by_little_and_no_weight(make, cell):
    cells = {f"model.encoder.{part}.cell": cell for part in ("shared", "ner", "relation")}
    made = [make(CORPUS, {**cells, "model.bfloat16": low}) for low in (False, True)]
    made[1].model.load_state_dict(made[0].model.state_dict())

    def states_of(each):
        model = each.model.eval()
        calls, output = outputs_of(model.relation_scorer, lambda: model(**batch_of(each)))
        output["loss"].backward()
        assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
        return calls[0][0][0]

    states = [states_of(each) for each in made]
    assert states[1].dtype == torch.float32
    assert not torch.equal(*states)
    torch.testing.assert_close(*states, atol=0.02, rtol=0)


def test_mixed_precision_of_the_trainer_reaches_the_encoder(make):
    made = make(CORPUS)
    model = made.model.eval()
    hidden = model.entity_finder.levels[0].scorer.hidden
    parts = [*model.encoder.shared.layers, *model.encoder.ner.layers, hidden]
    types = []
    for part in parts:
        part.register_forward_hook(lambda _, __, output: types.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(**batch_of(made))
    assert types == [torch.bfloat16] * len(parts) and len(parts) > 1
    types.clear()
    model(**batch_of(made))
    assert types == [torch.float32] * len(parts)


@pytest.mark.parametrize("scores_at_once", [1, 7, 4_000_000])
def test_a_prediction_carries_the_scores_of_its_own_pair_and_type(
    make, monkeypatch, scores_at_once
):
    # Decoded last tokens, with the decoded tags there, are what is scored, in blocks of any size.
    monkeypatch.setattr(joint_model, "MAX_SCORES_AT_ONCE", scores_at_once)
    made = make([THREE, TWO], {"model.relation_threshold": 0.0})
    model = made.model.eval()
    rows = [["U-Drug", "O", "U-Effect", "U-Drug"], ["B-Drug", "L-Drug", "U-Effect"]]
    predict_tags(monkeypatch, made, rows)
    calls, output = outputs_of(model.encoder, lambda: model(**batch_of(made)))
    number = {tag: number for number, tag in enumerate(model.entity_finder.codec.tags)}
    names = [["U-Drug", "U-Effect", "U-Drug"], ["L-Drug", "U-Effect", "O"]]
    spans = EntitySpans(
        torch.tensor([[0, 2, 3], [0, 2, 0]]),
        torch.tensor([[1, 3, 4], [2, 3, 1]]),
        torch.zeros(2, 3, dtype=torch.long),
        torch.tensor([[True, True, True], [True, True, False]]),
    )
    tags = torch.tensor([[number[name] for name in row] for row in names])
    logits = model.relation_scorer(calls[0][1]["relation"], tags, spans).tolist()
    assert [len(s.relations) for s in output["sentences"]] == [6 * 2, 2 * 2]
    for row, sentence in enumerate(output["sentences"]):
        assert all(0 <= entity.score <= 1 for entity in sentence.entities)
        for relation in sentence.relations:
            number = model._relation_types.index(relation.type)
            logit = logits[row][relation.head][relation.tail][number]
            assert relation.score == pytest.approx(1 / (1 + math.exp(-logit)), abs=2e-6)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_the_threshold_chooses_the_relations(make, threshold):
    made = make(CORPUS, {"model.relation_threshold": 0.0})
    everything = made.model.predict(made.instances)
    made.model.relation_threshold = threshold
    chosen = made.model.predict(made.instances)
    assert sum(len(s.relations) for s in everything) > 0
    for before, after in zip(everything, chosen):
        assert after.entities == before.entities
        assert after.relations == tuple(r for r in before.relations if r.score >= threshold)


def test_threshold_zero_gives_every_ordered_pair_and_type_and_one_gives_none(make):
    made = make(CORPUS, {"model.relation_threshold": 0.0})
    predicted = made.model.predict(made.instances)
    assert any(len(s.entities) > 1 for s in predicted)
    for sentence in predicted:
        pairs = permutations(range(len(sentence.entities)), 2)
        expected = {(name, *pair) for pair in pairs for name in ("Causes", "Before")}
        found = [(r.type, r.head, r.tail) for r in sentence.relations]
        assert len(found) == len(set(found)) and set(found) == expected
    made.model.relation_threshold = 1.0
    assert not any(s.relations for s in made.model.predict(made.instances))


def test_a_probability_at_the_threshold_is_enough(make):
    made = make(CORPUS, {"model.relation_threshold": 0.5})
    for parameter in made.model.relation_scorer.output.parameters():
        torch.nn.init.zeros_(parameter)  # every probability is 0.5
    predicted = made.model.predict(made.instances)
    assert any(s.relations for s in predicted)
    for sentence in predicted:
        count = len(sentence.entities)
        assert len(sentence.relations) == 2 * count * (count - 1)


# Predictions


@pytest.fixture(scope="module")
def tiny(tiny_archive, fixtures):
    """The trained tiny model, made to predict all pairs, its reader and its corpus."""
    archive = load_archive(tiny_archive)
    archive.model.relation_threshold = 0.0
    instances = list(archive.dataset_reader.read(str(fixtures / "conll04_spert.json")))
    return SimpleNamespace(model=archive.model, reader=archive.dataset_reader, instances=instances)


@pytest.fixture(scope="module")
def tiny_sentences(tiny):
    """What the tiny model predicts for each sentence alone."""
    return [tiny.model.predict([instance])[0] for instance in tiny.instances]


def assert_close(first, second):
    assert first.tokens == second.tokens
    assert [e.key for e in first.entities] == [e.key for e in second.entities]
    keys = [[(r.type, r.head, r.tail) for r in s.relations] for s in (first, second)]
    assert keys[0] == keys[1]
    for one, other in zip(first.entities + first.relations, second.entities + second.relations):
        assert one.score == pytest.approx(other.score, abs=1e-5)


@pytest.mark.parametrize("size", [2, 3, 11])
@pytest.mark.parametrize("reverse", [False, True])
def test_batches_of_any_size_and_order_predict_as_single_sentences(
    tiny, tiny_sentences, size, reverse
):
    assert sum(len(s.relations) for s in tiny_sentences) > 100
    order = sorted(range(11), reverse=reverse)
    for start in range(0, 11, size):
        chosen = order[start : start + size]
        predicted = tiny.model.predict([tiny.instances[i] for i in chosen])
        for index, sentence in zip(chosen, predicted):
            assert_close(sentence, tiny_sentences[index])


def test_predictions_need_no_annotation_and_do_not_see_it(tiny, tiny_sentences):
    for instance, expected in zip(tiny.instances, tiny_sentences):
        gold = instance["metadata"]["sentence"]
        unlabelled = tiny.reader.text_to_instance(Sentence(gold.tokens), labelled=False)
        tiny.reader.apply_token_indexers(unlabelled)
        (predicted,) = tiny.model.predict([unlabelled])
        assert predicted.entities == expected.entities
        assert predicted.relations == expected.relations


def test_predictions_keep_id_text_and_offsets(make):
    sentence = Sentence(["a", "b"], id="x", text="a  b", offsets=[(0, 1), (3, 4)])
    made = make([TWO, sentence])
    predicted = made.model.predict(made.instances)[1]
    assert (predicted.id, predicted.text, predicted.offsets) == ("x", "a  b", ((0, 1), (3, 4)))


@pytest.mark.parametrize("sentences", [[EMPTY], [EMPTY, EMPTY], [EMPTY, TWO], [TWO, EMPTY, NONE]])
def test_an_empty_sentence_gets_no_annotation(make, sentences):
    made = make([TWO, *sentences])
    predicted = made.model.predict(made.instances[1:])
    assert [p.tokens for p in predicted] == [s.tokens for s in sentences]
    assert all(p.entities == p.relations == () for p in predicted if not p.tokens)


def test_the_readable_output_is_that_of_the_sentences(make):
    made = make([TWO, NONE])
    output = made.model.eval().forward_on_instances(made.instances)
    predicted = made.model.predict(made.instances)
    assert output == [sentence.to_json() for sentence in predicted]


def test_the_readable_output_of_mixed_sentences_can_be_read_back(make):
    with_text = Sentence(["a"], id="t", text="a", offsets=[(0, 1)])
    made = make([TWO, with_text])
    output = made.model.eval().forward_on_instances(made.instances)
    assert [Sentence.from_json(record) for record in output] == made.model.predict(made.instances)


def test_a_token_that_is_spelt_like_padding_is_a_token(make, monkeypatch):
    padding = Sentence(["lithium", "@@PADDING@@", "tremor"], [Entity(DRUG, 1, 2)])
    made = make([padding], {"dataset_reader.token_indexers.tokens.lowercase_tokens": False})
    masks = []
    viterbi = crf_of(made.model).viterbi
    monkeypatch.setattr(
        crf_of(made.model),
        "viterbi",
        lambda scores, mask: masks.append(mask) or viterbi(scores, mask),
    )
    made.model.predict(made.instances)
    assert masks[0].tolist() == [[True, True, True]]


# Metrics


def metrics_of(made, indices=None):
    made.model.eval()(**batch_of(made, indices))
    return made.model.get_metrics(reset=True)


@pytest.mark.parametrize("overlap", ["keep", "drop_sentences", "drop_entities"])
def test_the_model_metrics_are_those_of_the_scorer_on_its_predictions(make, overlap):
    corpus = [*CORPUS, OVERLAP]
    overrides = {"dataset_reader.overlap": overlap, "model.relation_threshold": 0.4}
    made = make(corpus, overrides)
    gold = [instance["metadata"]["sentence"] for instance in made.instances]
    predicted = made.model.predict(made.instances)
    made.model.get_metrics(reset=True)
    assert any(s.entities for s in predicted)
    if overlap == "drop_entities":
        spans = {(0, 2), (1, 2)}
        dropped = [i for i, e in enumerate(predicted[-1].entities) if (e.start, e.end) in spans]
        predicted[-1] = predicted[-1].without(dropped)
    found = metrics_of(made)
    for criterion, prefix in (("strict", ""), ("boundaries", "boundaries_")):
        expected = score(gold, predicted, criterion)
        per_type = expected.pop("per_type")
        for name, value in expected.items():
            assert found.pop(prefix + name) == pytest.approx(value), name
        if criterion == "strict":
            for task, types in per_type.items():
                for name, figures in types.items():
                    for figure, value in figures.items():
                        assert found.pop(f"{task}_{figure}/{name}") == pytest.approx(value)
    assert sorted(found) == ["ner_loss", "relation_loss"]


GOLD_TAGS = ["B-Effect", "L-Effect", "U-Drug"]  # of OVERLAP, as far as tags go


def test_under_keep_what_one_level_of_tags_cannot_hold_is_a_miss(make, monkeypatch):
    made = make([OVERLAP], {"model.relation_threshold": 0.0})
    predict_tags(monkeypatch, made, [GOLD_TAGS])
    found = metrics_of(made)
    assert (found["entity_precision"], found["entity_recall"]) == (1, pytest.approx(2 / 3))
    # Both directions are predicted; one is gold, and the other gold relation is out of reach.
    assert (found["relation_precision"], found["relation_recall"]) == (0.5, 0.5)


def test_under_drop_entities_predictions_on_dropped_spans_do_not_count(make, monkeypatch):
    overrides = {"dataset_reader.overlap": "drop_entities", "model.relation_threshold": 0.0}
    # TWO lets the vocabulary know the relation type, which the protocol takes out of OVERLAP.
    made = make([OVERLAP, TWO], overrides)
    predict_tags(monkeypatch, made, [GOLD_TAGS])
    found = metrics_of(made, [0])
    # Only the drug is left, in gold and in the prediction, and no pair.
    assert (found["entity_precision"], found["entity_recall"]) == (1, 1)
    assert (found["entity_support/Drug"], found["relation_f1"]) == (1, 0)
    # A span that shares tokens with a dropped one, but is another, does count.
    predict_tags(monkeypatch, made, [["U-Effect", "O", "U-Drug"]])
    found = metrics_of(made, [0])
    assert (found["entity_precision"], found["entity_recall"]) == (0.5, 1)


def test_while_an_epoch_runs_only_the_headline_figures_are_given(make):
    made = make(CORPUS)
    made.model.eval()(**batch_of(made))
    assert sorted(made.model.get_metrics()) == [
        "entity_f1", "mean_f1", "ner_loss", "relation_f1", "relation_loss",
    ]  # fmt: skip
    assert "entity_recall/Drug" in made.model.get_metrics(reset=True)
    made.model.train()(**batch_of(made))
    assert sorted(made.model.get_metrics(reset=True)) == ["ner_loss", "relation_loss"]


def test_a_reset_forgets(make, monkeypatch):
    made = make([TWO])
    predict_tags(monkeypatch, made, [["U-Drug", "O", "U-Effect"]])
    assert metrics_of(made)["entity_f1"] == 1
    predict_tags(monkeypatch, made, [["O", "O", "O"]])
    found = metrics_of(made)
    assert (found["entity_f1"], found["entity_support/Drug"]) == (0, 1)


# Configurations


@pytest.mark.parametrize("depths", [(0, 0, 0), (1, 0, 0), (0, 1, 2), (2, 0, 1), (3, 2, 1)])
@pytest.mark.parametrize("cell, scheme", [("lstm", "BIO"), ("gru", "BIOUL")])
def test_any_three_depths_learn_and_predict(make, depths, cell, scheme):
    overrides = {"model.entity_finder.tag_scheme": scheme}
    for name, depth in zip(("shared", "ner", "relation"), depths):
        overrides[f"model.encoder.{name}.num_layers"] = depth
        overrides[f"model.encoder.{name}.cell"] = cell
    made = make(CORPUS, overrides)
    encoder = made.model.encoder
    assert tuple(len(e.layers) for e in (encoder.shared, encoder.ner, encoder.relation)) == depths
    made.model(**batch_of(made))["loss"].backward()
    weights = list(encoder.parameters())
    assert len(weights) == 8 * sum(depths)  # two directions, each with two matrices and biases
    assert all(weight.grad is not None for weight in weights)
    assert len(made.model.predict(made.instances)) == len(CORPUS)


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("relation_loss_weight", -0.5, "relation_loss_weight is -0.5; expected 0 or more"),
        ("relation_loss_average", "mean", "relation_loss_average is 'mean'; expected pair_mean"),
        ("relation_threshold", 1.5, "relation_threshold is 1.5; expected 0 to 1"),
        ("relation_threshold", -0.1, "relation_threshold is -0.1; expected 0 to 1"),
        ("entity_finder.tag_scheme", "IOB", "unknown tag scheme 'IOB'; expected one of BIO, BIOUL"),
        ("encoder.shared.num_layers", -1, "num_layers is -1; expected 0 or more"),
        ("encoder.ner.dropout", 1.0, "dropout is 1"),
        ("encoder.relation.dropout", -0.1, "dropout is -0.1"),
        ("encoder.relation.cell", "rnn", "unknown cell 'rnn'; expected lstm or gru"),
        ("encoder.shared.hidden_size", 0, "hidden_size is 0; expected 1 or more"),
        ("entity_finder.scorer.hidden_size", -1, "hidden_size is -1; expected 0 or more"),
        ("entity_finder.scorer.dropout", 1.5, "dropout is 1.5"),
        (
            "entity_finder.scorer.activation",
            "no_such",
            "entity_finder.scorer.activation.type is 'no_such'; expected one of",
        ),
        ("relation_scorer.hidden_size", 0, "hidden_size is 0; expected 1 or more"),
        ("relation_scorer.tag_embedding_size", -1, "tag_embedding_size is -1; expected 0"),
        ("relation_scorer.dropout", 1.0, "dropout is 1"),
        ("spurious_entities", 1.5, "spurious_entities is 1.5; expected 0 to 1"),
        ("most_relations", 0, "most_relations is 0; expected 1 or more"),
        ("token_dropout", 1.0, "token_dropout is 1.0; expected at least 0 and less than 1"),
        ("relation_scorer.num_layers", 2, "num_layers"),
        (f"{EMBEDDERS}.tokens.embedding_dim", 0, "embedding_dim is 0; expected 1 or more"),
        (f"{EMBEDDERS}.token_characters.hidden_size", 0, "hidden_size is 0; expected 1 or more"),
        (f"{EMBEDDERS}.token_characters.cell", "rnn", "unknown cell 'rnn'; expected lstm or gru"),
    ],
)
def test_an_impossible_value_is_an_error_that_names_it(make, option, value, message):
    with pytest.raises(ConfigurationError) as error:
        make(CORPUS, {f"model.{option}": value})
    assert message in str(error.value)


def test_a_misspelt_option_is_an_error_that_names_it(make):
    with pytest.raises(ConfigurationError, match="did you mean 'relation_threshold'"):
        make(CORPUS, {"model.relation_treshold": 0.5})


def test_a_corpus_without_entities_is_an_error(make):
    with pytest.raises(ConfigurationError, match="no entity types.*at least one entity"):
        make([NONE])


def test_a_corpus_without_relations_trains(fixtures, few_threads, in_root, tmp_path):
    path = tmp_path / "corpus.jsonl"
    write_corpus([ONE, NONE, Sentence(TWO.tokens, TWO.entities)], path, "jsonl")
    overrides = {"train_data_path": str(path), "validation_data_path": str(path)}
    model = train_model_from_file(
        fixtures / "tiny.jsonnet", tmp_path / "run", json.dumps(overrides), return_model=True
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["best_validation_relation_loss"] == 0 < metrics["best_validation_ner_loss"]
    assert metrics["best_validation_relation_f1"] == 0
    assert model._relation_types == []
    loaded = load_archive(tmp_path / "run" / "model.tar.gz").model
    assert loaded.relation_scorer.distmult.shape[0] == 0


@pytest.mark.parametrize(
    "sentence, name",
    [
        (Sentence(["a"], [Entity("Dose", 0, 1)]), "Dose"),
        (Sentence(TWO.tokens, TWO.entities, [Relation("Treats", 0, 1)]), "Treats"),
    ],
)
def test_gold_of_types_that_training_did_not_have_is_missed(make, sentence, name, caplog):
    made = make([TWO])
    instance = made.reader.text_to_instance(sentence)
    made.reader.apply_token_indexers(instance)
    made.model.predict([instance])
    # A training has this error also with this option, because it would learn that nothing is there.
    made.model.train()
    batch = Batch([instance])
    batch.index_instances(made.model.vocab)
    with pytest.raises(ConfigurationError, match=f"'{name}' is not in the model's vocabulary"):
        made.model(**batch.as_tensor_dict())
    made.model.eval()
    task = "relation" if sentence.relations else "entity"
    metrics = made.model.get_metrics(reset=True)
    assert (metrics[f"{task}_support/{name}"], metrics[f"{task}_f1/{name}"]) == (1, 0.0)
    assert metrics[f"{task}_recall"] == 0.0
    assert caplog.messages[-1] == (
        f"gold of types that the model does not know, counted as missed: {name!r} ({task}): 1"
    )
    made.model.get_metrics(reset=True)
    assert sum("does not know" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("most, block", [(1, 1), (5, 1), (5, 10**6), (23, 1), (24, 1)])
def test_of_too_many_relations_the_most_probable_are_kept(make, monkeypatch, caplog, most, block):
    made = make([THREE, TWO, THREE], {"model.relation_threshold": 0.0})
    monkeypatch.setattr(joint_model, "MAX_SCORES_AT_ONCE", block)
    four = ["U-Drug", "U-Effect", "U-Drug", "U-Effect"]
    predict_tags(monkeypatch, made, [four, ["U-Drug", "O", "U-Effect"], four])
    everything = made.model.predict(made.instances)
    assert [len(s.relations) for s in everything] == [24, 4, 24]
    made.model.most_relations = most
    found = made.model.predict(made.instances)
    for sentence, whole in zip(found, everything):
        assert sentence.entities == whole.entities
        order = sorted(whole.relations, key=lambda relation: -relation.score)[:most]
        assert [r for r in whole.relations if r in order] == list(sentence.relations)
    left_out = sum(max(0, len(s.relations) - most) for s in everything)
    assert (f"the {left_out} least probable relations were left out" in caplog.text) == bool(
        left_out
    )


def test_predictions_of_instances_do_not_depend_on_the_mode(make):
    made = make([TWO, NONE])
    expected = made.model.eval().forward_on_instances(made.instances)
    assert made.model.train().forward_on_instances(made.instances) == expected
    assert made.model.training and made.model.encoder.training
    assert made.model.forward_on_instance(made.instances[0]) == expected[0]
