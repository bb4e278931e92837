// Extends the paper's model: the relation scorer reads the tokens between two entities and also trains
// with wrong entities; dropout acts on tokens, and on the same units of all tokens of a sentence.
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
