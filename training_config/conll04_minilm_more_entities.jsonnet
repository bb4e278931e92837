// CoNLL04, SpERT's split, with extensions, and with the entities of the corpus's other 3,856 sentences.
(import 'conll04_minilm_extended.jsonnet') + {
  epochs:: 8,
  // Three times, because only these sentences have relations to learn from.
  train_data_path: std.repeat(self.related, 3) + [
    std.extVar('JOINT_NER_RE_DATA') + '/conll04/raw/conll04.corp#entities',
  ],
}
