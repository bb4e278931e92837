// What `allennlp search` searches when no --space is given: the paper's three depths.
{
  local depth = { type: 'int', low: 0, high: $.most },
  most:: 3,

  'model.encoder.shared.num_layers': depth,
  'model.encoder.ner.num_layers': depth,
  'model.encoder.relation.num_layers': depth,
}
