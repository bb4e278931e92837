"""The multiply-adds of the limit, counted by hand and by PyTorch."""

from types import SimpleNamespace

import torch
from limit import encoder_multiply_adds, rnn_multiply_adds, seconds_at_least
from measure import Measured, Memory, spread
from prepared import KEPT, TRAINING, Setting
from report import rows_of
from systems import CRF_TAGGER, LIMIT, SHIPPED, STOCK
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from joint_ner_re.modules import BiRnnStack


def test_a_stack_by_hand():
    stack = BiRnnStack(input_size=5, hidden_size=3, num_layers=2, cell="lstm")
    # 3 units in each direction, 4 gates: 12 rows; the second layer reads 6.
    forwards = 2 * 12 * (5 + 3) + 2 * 12 * (6 + 3)
    assert rnn_multiply_adds(stack, False) == forwards
    # The first layer's input needs no gradient.
    assert rnn_multiply_adds(stack, True) == 3 * forwards - 2 * 12 * 5
    gru = BiRnnStack(input_size=5, hidden_size=3, num_layers=1, cell="gru")
    assert rnn_multiply_adds(gru, False) == 2 * 9 * (5 + 3)


def test_an_encoder_as_pytorch_counts():
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=12, attn_implementation="eager",
    )  # fmt: skip
    encoder = BertModel(config, add_pooling_layer=False).eval()
    markers = SimpleNamespace(before=[1], after=[2])
    embedder = SimpleNamespace(encoder=encoder, _markers=markers, _layers=[3])
    embedders = {"contextual": embedder}
    model = SimpleNamespace(text_field_embedder=SimpleNamespace(_token_embedders=embedders))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.ones(1, 9, dtype=torch.long))
    # Seven pieces and two markers. PyTorch counts a multiply-add as two operations.
    assert 2 * encoder_multiply_adds(model, 7) == counter.get_total_flops()


def measured(seconds, **facts):
    facts = {"sentences": 10, "tokens": 50, **facts}
    return Measured(spread(seconds), Memory(1.0, None), facts)


def test_the_least_time_is_by_the_fastest_product():
    rows = {
        SHIPPED: measured([8.0, 8.0, 8.0]),
        STOCK: measured([16.0]),
        CRF_TAGGER: measured([4.0]),
        LIMIT: measured(
            [3.0, 2.0, 5.0], multiply_adds=200, multiply_adds_of_entities=50,
            multiply_adds_of_the_product=100,
        ),
    }  # fmt: skip
    # 100 of them took 2 s, so 200 take 4 s, and the 50 of the entities 1 s.
    assert seconds_at_least(rows[LIMIT]) == 4.0
    by_system = {row.system: row for row in rows_of(Setting(TRAINING, "lstm", KEPT, 1), rows)}
    parts = {name: row.part for name, row in by_system.items()}
    assert parts == {SHIPPED: 0.5, STOCK: 0.25, CRF_TAGGER: 0.25, LIMIT: None}
    assert by_system[LIMIT].sentences == 10 / 4.0
