// CoNLL04, SpERT's split, on a frozen MiniLM encoder, with more than the paper has.
(import 'conll04_minilm.jsonnet') + (import 'extended.libsonnet')
