import copy
from itertools import product

import pytest
import torch
from allennlp.common import Lazy, Params
from allennlp.common.checks import ConfigurationError
from allennlp.modules import Seq2SeqEncoder
from allennlp.modules.seq2seq_encoders import ComposeEncoder
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from joint_ner_re.modules import BiRnnLayer, BiRnnStack, SharedAndSpecificEncoder, encoders
from joint_ner_re.modules.bi_lstm import ReadyBiLstm
from joint_ner_re.modules.encoders import CELLS, check_probability, reversal
from joint_ner_re.training import FusedAdamW

each_cell = pytest.mark.parametrize("cell", ["lstm", "gru"])
LENGTHS = [5, 1, 7, 3]


def new_batch(size, lengths=LENGTHS, seed=0):
    torch.manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), max(lengths), size), mask


def packed_rnn(layer, cell):
    """PyTorch's own bidirectional network with the weights of a layer."""
    rnn = CELLS[cell](
        layer.forwards.input_size, layer.hidden_size, batch_first=True, bidirectional=True
    )
    weights = dict(layer.forwards.named_parameters())
    weights.update({f"{n}_reverse": w for n, w in layer.backwards.named_parameters()})
    rnn.load_state_dict(weights)
    return rnn


def new_encoder(depths, size=6, hidden=4, cell="lstm", dropout=0.0):
    torch.manual_seed(1)
    rnns = [{"type": "bi_rnn", "num_layers": n, "hidden_size": hidden, "cell": cell,
             "dropout": dropout} for n in depths]  # fmt: skip
    params = Params(dict(zip(("shared", "ner", "relation"), rnns)))
    return SharedAndSpecificEncoder.from_params(params, input_size=size)


# One layer


@each_cell
def test_a_layer_is_a_packed_bidirectional_network(cell):
    inputs, mask = new_batch(6)
    layer = BiRnnLayer(6, 4, cell)
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, state = packed_rnn(layer, cell)(packed)
    expected, _ = pad_packed_sequence(outputs, batch_first=True)
    torch.testing.assert_close(layer(inputs, mask), expected, atol=1e-6, rtol=0)
    last = state[0] if cell == "lstm" else state
    torch.testing.assert_close(
        layer.last_states(inputs, mask), torch.cat([last[0], last[1]], dim=1), atol=1e-6, rtol=0
    )


@each_cell
def test_its_gradients_are_those_of_a_packed_network(cell):
    inputs, mask = new_batch(6)
    inputs = inputs.double().requires_grad_()
    layer = BiRnnLayer(6, 4, cell).double()
    rnn = packed_rnn(layer, cell).double()
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(rnn(packed)[0], batch_first=True)
    weights = torch.randn_like(expected)
    expected_gradients = torch.autograd.grad(
        (expected * weights).sum(), [inputs, *rnn.parameters()]
    )
    gradients = torch.autograd.grad(
        (layer(inputs, mask) * weights).sum(), [inputs, *layer.parameters()]
    )
    assert len(gradients) == len(expected_gradients)
    for ours, theirs in zip(gradients, expected_gradients):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@each_cell
@pytest.mark.parametrize("training", [True, False])
def test_autocast_multiplies_in_sixteen_bits(cell, training):
    inputs, mask = new_batch(40)
    layer = BiRnnLayer(40, 30, cell)
    expected = layer(inputs, mask)
    with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16):
        states = layer(inputs, mask)
    # A bfloat16 has eight digits.
    torch.testing.assert_close(states.float(), expected, atol=0.02, rtol=0)
    if cell == "gru":
        assert not torch.equal(states, expected)
        assert states.dtype == torch.float32
    if training:
        weights = torch.randn_like(expected)
        gradients, expected_gradients = (
            torch.autograd.grad((s * weights).sum(), list(layer.parameters()))
            for s in (states.float(), expected)
        )
        for ours, theirs in zip(gradients, expected_gradients):
            torch.testing.assert_close(ours, theirs, atol=0.03 * theirs.abs().max().item(), rtol=0)


@pytest.fixture
def sixteen_bits():
    with torch.autocast("cpu", torch.bfloat16):
        yield


@pytest.fixture
def made_ready(monkeypatch):
    """One entry for each time that a layer's weights are made ready, where that can be."""
    made = []

    class Counted(ReadyBiLstm):
        def __init__(self, *args):
            made.append(args)
            super().__init__(*args)

    monkeypatch.setattr(encoders, "ReadyBiLstm", Counted)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_made_ready_once_for_all_batches(dtype, made_ready):
    layer = BiRnnLayer(40, 32).eval()
    batches = [new_batch(40, seed=seed) for seed in range(3)]
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        # Where there are gradients nothing is kept.
        expected = [layer(*batch).detach() for batch in batches]
        assert not made_ready
        with torch.inference_mode():
            layer(*batches[0])
        with torch.no_grad():
            for batch, states in zip(batches, expected):
                found = layer(*batch)
                torch.testing.assert_close(found, states, atol=1e-6, rtol=0)
                assert dtype == torch.float32 or torch.equal(found, states)
    # Elsewhere the weights are not arranged, and the states are the same.
    assert len(made_ready) == int(ReadyBiLstm.is_possible(dtype))


def test_a_layer_may_be_asked_in_sixteen_bits_and_in_single_precision():
    inputs, mask = new_batch(40)
    layer = BiRnnLayer(40, 32).eval()
    with torch.no_grad():
        single = layer(inputs, mask)
        with torch.autocast("cpu", torch.bfloat16):
            low = layer(inputs, mask)
        assert single.dtype == torch.float32 and low.dtype == torch.bfloat16
        assert torch.equal(layer(inputs, mask), single)
    torch.testing.assert_close(low.float(), single, atol=0.02, rtol=0)
    assert not torch.equal(low.float(), single)


def test_weights_made_in_inference_mode():
    inputs, mask = new_batch(40)
    with torch.inference_mode():
        layer = BiRnnLayer(40, 32).eval()
        before = layer(inputs, mask)
        for parameter in layer.parameters():
            parameter.mul_(2)
        after = layer(inputs, mask)
    assert not torch.equal(after, before)
    again = BiRnnLayer(40, 32)
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(after, again(inputs, mask).detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [1, 20])
def test_what_stands_at_padding_says_nothing_without_gradients(scale):
    inputs, mask = new_batch(40)
    layer = BiRnnLayer(40, 32).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            # Gates that are wide open, or shut.
            parameter.mul_(scale)
        expected, _ = pad_packed_sequence(
            packed_rnn(layer, "lstm")(
                pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
            )[0],
            batch_first=True,
        )
        inputs[~mask] = 50.0
        torch.testing.assert_close(layer(inputs, mask), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("change", ["in place", "load", "fused step", "copy"])
def test_other_weights_are_made_ready_anew(change, sixteen_bits):
    layer = BiRnnLayer(40, 32).eval()
    inputs, mask = new_batch(40)
    with torch.no_grad():
        before = layer(inputs, mask)
    if change == "in place":
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(2)
    elif change == "load":
        layer.load_state_dict({n: 2 * w for n, w in layer.state_dict().items()})
    elif change == "fused step":
        layer.train()
        layer(inputs, mask).float().sum().backward()
        FusedAdamW(list(layer.named_parameters()), lr=0.1).step()
        layer.eval()
    else:
        layer = copy.deepcopy(layer)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(2)
    expected = layer(inputs, mask).detach()
    assert not torch.equal(expected, before)
    with torch.no_grad():
        assert torch.equal(layer(inputs, mask), expected)


@each_cell
def test_a_row_without_a_token_is_zero(cell):
    inputs, mask = new_batch(6, [3, 0])
    layer = BiRnnLayer(6, 4, cell)
    assert not layer(inputs, mask)[1].any()
    assert not layer.last_states(inputs, mask)[1].any()
    torch.testing.assert_close(layer(inputs, mask)[:1], layer(inputs[:1], mask[:1]))


def test_reversal_by_hand():
    mask = new_batch(1, [4, 2, 1, 0])[1]
    order = reversal(mask)
    assert order.tolist() == [[3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert order.gather(1, order).tolist() == [[0, 1, 2, 3]] * 4


# A stack


def test_a_stack_without_layers_is_the_identity():
    inputs, mask = new_batch(6)
    stack = BiRnnStack(6, num_layers=0, dropout=0.9).train()
    assert torch.equal(stack(inputs, mask), inputs)
    assert (stack.get_input_dim(), stack.get_output_dim()) == (6, 6)
    assert not list(stack.parameters())


@each_cell
def test_a_stack_is_its_layers_one_after_another(cell):
    inputs, mask = new_batch(6)
    stack = BiRnnStack(6, num_layers=3, hidden_size=4, cell=cell)
    expected = inputs
    for layer in stack.layers:
        packed = pack_padded_sequence(expected, LENGTHS, batch_first=True, enforce_sorted=False)
        expected, _ = pad_packed_sequence(packed_rnn(layer, cell)(packed)[0], batch_first=True)
    torch.testing.assert_close(stack(inputs, mask), expected, atol=1e-6, rtol=0)
    assert (stack.get_input_dim(), stack.get_output_dim()) == (6, 8)
    assert stack.is_bidirectional()
    weights = [tuple(layer.forwards.weight_ih_l0.shape) for layer in stack.layers]
    gates = {"lstm": 4, "gru": 3}[cell]
    assert weights == [(4 * gates, 6), (4 * gates, 8), (4 * gates, 8)]


def test_dropout_comes_before_each_layer_in_training_only():
    inputs, mask = new_batch(50, [40, 40])
    stack = BiRnnStack(50, num_layers=2, hidden_size=25, dropout=0.25)
    read, wrote = [], []
    for layer in stack.layers:
        layer.register_forward_pre_hook(lambda module, values: read.append(values[0]))
        layer.register_forward_hook(lambda module, values, output: wrote.append(output))

    for source, given in ((lambda: inputs, 0), (lambda: wrote[0], 1)):
        read.clear(), wrote.clear()
        output = stack.train()(inputs, mask)
        kept = read[given] != 0
        # 4,000 values, of which a quarter is dropped: six deviations are 0.04.
        assert kept.float().mean().item() == pytest.approx(0.75, abs=0.045)
        torch.testing.assert_close(read[given][kept], source()[kept] / 0.75)
        assert torch.equal(output, wrote[1])
    read.clear(), wrote.clear()
    stack.eval()(inputs, mask)
    assert torch.equal(read[0], inputs) and torch.equal(read[1], wrote[0])


# The encoder of both tasks


def test_variational_dropout_drops_the_same_inputs_at_all_tokens():
    torch.manual_seed(0)
    stack = BiRnnStack(200, 1, 4, dropout=0.5, variational_dropout=True)
    seen = []
    stack.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    inputs, mask = torch.ones(2, 3, 200), torch.ones(2, 3, dtype=torch.bool)
    stack(inputs, mask)
    dropped = seen[0] == 0
    assert 150 < dropped[:, 0].sum() < 250
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    stack.eval()
    stack(inputs, mask)
    assert torch.equal(seen[1], inputs)


def test_input_sizes_are_inferred():
    encoder = new_encoder([1, 2, 0], size=6, hidden=4)
    sizes = [
        (stack.get_input_dim(), stack.get_output_dim())
        for stack in (encoder.shared, encoder.ner, encoder.relation)
    ]
    assert sizes == [(6, 8), (8, 8), (8, 8)]
    sizes = [s.get_output_dim() for e in [new_encoder([0, 0, 1])] for s in (e.ner, e.relation)]
    assert sizes == [6, 8]


@each_cell
def test_both_tasks_read_the_shared_layers(cell):
    inputs, mask = new_batch(6)
    encoder = new_encoder([2, 1, 2], cell=cell)
    outputs = encoder(inputs, mask)
    assert set(outputs) == {"ner", "relation"}
    shared = inputs
    for layer in encoder.shared.layers:
        shared = layer(shared, mask)
    expected = encoder.relation.layers[1](encoder.relation.layers[0](shared, mask), mask)
    assert torch.equal(outputs["ner"], encoder.ner.layers[0](shared, mask))
    assert torch.equal(outputs["relation"], expected)
    for task in ("ner", "relation"):
        composed = ComposeEncoder([encoder.shared, getattr(encoder, task)])
        assert torch.equal(outputs[task], composed(inputs, mask))


def test_the_shared_layers_run_once():
    inputs, mask = new_batch(6)
    encoder = new_encoder([2, 1, 1])
    calls = []
    for layer in encoder.shared.layers:
        layer.register_forward_hook(lambda module, *_: calls.append(module))
    encoder(inputs, mask)
    assert calls == list(encoder.shared.layers)


@pytest.mark.parametrize("depths", product(range(3), repeat=3), ids=str)
def test_any_depths_work_and_every_parameter_learns(depths):
    inputs, mask = new_batch(6)
    encoder = new_encoder(depths)
    outputs = encoder(inputs.requires_grad_(), mask)
    for task, own in (("ner", depths[1]), ("relation", depths[2])):
        assert outputs[task].shape == (4, 7, 8 if depths[0] + own else 6)
    sum(output.square().sum() for output in outputs.values()).backward()
    parameters = list(encoder.parameters())
    # Two directions with two matrices and two biases each.
    assert len(parameters) == 8 * sum(depths)
    assert all(bool(p.grad.any()) for p in [*parameters, inputs])


@each_cell
@pytest.mark.parametrize("garbage", [1e3, float("inf")])
def test_padding_never_influences_a_token(cell, garbage):
    inputs, mask = new_batch(6)
    encoder = new_encoder([1, 1, 2], cell=cell).eval()
    expected = encoder(inputs.masked_fill(~mask[:, :, None], 0), mask)
    outputs = encoder(inputs.masked_fill(~mask[:, :, None], garbage), mask)
    longer, longer_mask = new_batch(6, [9, 9, 9, 9])[0] * garbage, torch.zeros(4, 9).bool()
    longer[:, :7][mask], longer_mask[:, :7] = inputs[mask], mask
    in_longer = encoder(longer, longer_mask)
    for task in ("ner", "relation"):
        assert torch.equal(outputs[task][mask], expected[task][mask])
        torch.testing.assert_close(in_longer[task][:, :7][mask], expected[task][mask])


def test_a_sentence_is_encoded_alike_alone_and_in_a_batch():
    inputs, mask = new_batch(6)
    encoder = new_encoder([1, 1, 1]).eval()
    together = encoder(inputs, mask)
    for row, length in enumerate(LENGTHS):
        alone = encoder(inputs[row : row + 1, :length], mask[row : row + 1, :length])
        for task in ("ner", "relation"):
            torch.testing.assert_close(alone[task][0], together[task][row, :length])


def test_an_encoder_of_allennlp_can_stand_in():
    inputs, mask = new_batch(6)
    stock = {"type": "lstm", "hidden_size": 3, "bidirectional": True}
    own = {"type": "bi_rnn", "num_layers": 1, "hidden_size": 4}
    params = Params({"shared": dict(stock), "ner": dict(stock), "relation": own})
    encoder = SharedAndSpecificEncoder.from_params(params, input_size=6)
    assert encoder.ner.get_input_dim() == encoder.relation.get_input_dim() == 6
    shared = encoder.shared(inputs, mask)
    outputs = encoder(inputs, mask)
    assert torch.equal(outputs["ner"], encoder.ner(shared, mask))
    assert torch.equal(outputs["relation"], encoder.relation(shared, mask))
    assert outputs["relation"].shape == (4, 7, 8)


def test_encoders_can_be_given_in_python():
    def lazy(depth):
        return Lazy(BiRnnStack, constructor_extras={"num_layers": depth, "hidden_size": 2})

    encoder = SharedAndSpecificEncoder(3, lazy(1), lazy(0), lazy(2))
    assert isinstance(encoder, nn.Module) and isinstance(encoder.shared, Seq2SeqEncoder)
    assert encoder.relation.get_output_dim() == 4


# Configuration


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_layers": -1}, "num_layers is -1; expected 0 or more"),
        ({"cell": "rnn"}, "unknown cell 'rnn'; expected lstm or gru"),
        ({"hidden_size": 0}, "hidden_size is 0; expected 1 or more"),
        ({"input_size": 0}, "input_size is 0; expected 1 or more"),
        ({"dropout": 1.0}, "dropout is 1.0; expected at least 0 and less than 1"),
        ({"dropout": -0.1}, "dropout is -0.1; expected at least 0 and less than 1"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ConfigurationError) as error:
        BiRnnStack(**{"input_size": 6, "num_layers": 1, "hidden_size": 4, **changes})
    assert message in str(error.value)


def test_a_probability_may_be_zero_and_is_named_in_the_error():
    check_probability("p", 0)
    check_probability("p", 0.999)
    with pytest.raises(ConfigurationError, match="label_dropout is nan"):
        check_probability("label_dropout", float("nan"))
