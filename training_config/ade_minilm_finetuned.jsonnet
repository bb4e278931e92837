// Fold 0 of ADE with a fine-tuned MiniLM encoder.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'finetuned.libsonnet') +
(import 'ade.libsonnet')
