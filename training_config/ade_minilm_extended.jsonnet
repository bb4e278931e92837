// Fold 0 of ADE on a frozen MiniLM encoder, with more than the paper has.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'extended.libsonnet') +
(import 'ade.libsonnet') + { epochs:: 8 }
