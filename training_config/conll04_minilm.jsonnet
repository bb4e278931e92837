// CoNLL04, SpERT's split, on a frozen MiniLM encoder. With the encoder's layers below, none need
// be shared: the allocation that is best on the development part (docs/results.md).
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'conll04.libsonnet') + {
  layers:: { shared: 0, ner: 1, relation: 1 },
}
