// Refines a configuration with what is not in the paper: relations see what stands between their
// entities, and meet wrong entities in training; whole tokens are dropped, and the same units of all
// tokens of a sentence.
{
  cell:: 'lstm',
  epochs:: 20,
  variational_dropout:: true,

  model+: {
    relation_scorer+: { pair_layer: { hidden_size: 128, dropout: 0.5 } },
    spurious_entities: 0.5,
    token_dropout: 0.15,
  },
}
