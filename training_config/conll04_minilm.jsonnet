// CoNLL04, SpERT's split, on a frozen MiniLM encoder.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'conll04.libsonnet')
