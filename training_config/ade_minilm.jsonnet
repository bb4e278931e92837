// Fold 0 of ADE on a frozen MiniLM encoder.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'ade.libsonnet') + { epochs:: 8 }
