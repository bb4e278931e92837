// Extends the paper's model: each token's vector also says what other training sentences annotate
// with the same words.
{
  vocabulary+: { type: 'gazetteer' },
  token_indexers+:: { gazetteer: { type: 'gazetteer' } },
  token_embedders+:: { gazetteer: { type: 'gazetteer' } },
}
