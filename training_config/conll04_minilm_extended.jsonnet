// CoNLL04, SpERT's split, on a frozen MiniLM encoder, with extensions of the paper's model.
(import 'conll04_minilm.jsonnet') + (import 'extended.libsonnet')
