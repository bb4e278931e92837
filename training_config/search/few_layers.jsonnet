// The paper's three depths, 0 to 2 each: for `allennlp search --space` where little time is given.
local depth = { type: 'int', low: 0, high: 2 };

{
  'model.encoder.shared.num_layers': depth,
  'model.encoder.ner.num_layers': depth,
  'model.encoder.relation.num_layers': depth,
}
