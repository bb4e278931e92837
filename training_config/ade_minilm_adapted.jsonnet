// Fold 0 of ADE on two frozen encoders side by side: MiniLM as it is, and what
// minilm_ade_neg.jsonnet made of it.
(import 'ade_minilm_extended.jsonnet') + (import 'adapted.libsonnet')
