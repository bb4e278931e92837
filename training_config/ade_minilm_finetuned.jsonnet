// Fold 0 of ADE on a MiniLM encoder that is trained, too.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'finetuned.libsonnet') +
(import 'ade.libsonnet')
