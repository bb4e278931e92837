// Refines a configuration with what is not in the paper: relations see what stands between their
// entities, and meet wrong entities in training; whole tokens are dropped.
{
  epochs:: 20,

  model+: {
    relation_scorer+: { pair_layer: { hidden_size: 128, dropout: 0.5 } },
    spurious_entities: 0.5,
    token_dropout: 0.15,
  },
}
