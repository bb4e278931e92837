// CoNLL04, SpERT's split, on a MiniLM encoder that is trained, too.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'finetuned.libsonnet') +
(import 'conll04.libsonnet')
