// CoNLL04, SpERT's split, on a frozen encoder of BERT-base's size, with more than the paper has, and
// with the entities of the corpus's other 3,856 sentences.
(import 'conll04_minilm_more_entities.jsonnet') + (import 'mpnet.libsonnet') + {
  epochs:: 6,
  // The last two without the other sentences, which are annotated by other habits.
  trainer+: { callbacks+: [{ type: 'known_relations', epoch: 4 }] },
}
