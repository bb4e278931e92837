// CoNLL04, SpERT's split, with a fine-tuned MiniLM encoder.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'finetuned.libsonnet') +
(import 'conll04.libsonnet')
