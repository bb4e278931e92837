// CoNLL04, SpERT's split, extended, and the entities of the corpus's other 3,856 sentences.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/';

(import 'conll04_minilm_extended.jsonnet') + {
  epochs:: 8,
  local related = data + 'spert/conll04_train.json',
  // Three times: what is to be learned of relations stands in these alone.
  train_data_path: [related, related, related, data + 'raw/conll04.corp#entities'],
}
