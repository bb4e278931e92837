// CoNLL04, SpERT's split, with extensions, and with the entities of the corpus's other 3,856 sentences.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/';

(import 'conll04_minilm_extended.jsonnet') + {
  epochs:: 8,
  local related = data + 'spert/conll04_train.json',
  // Three times, because only these sentences have relations to learn from.
  train_data_path: [related, related, related, data + 'raw/conll04.corp#entities'],
}
