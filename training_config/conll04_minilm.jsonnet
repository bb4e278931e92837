// CoNLL04, SpERT's split, on a frozen MiniLM encoder. This allocation is best on the development part
// (docs/results.md): with the encoder's layers below, no shared layer is needed.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'conll04.libsonnet') + {
  layers:: { shared: 0, ner: 1, relation: 1 },
}
