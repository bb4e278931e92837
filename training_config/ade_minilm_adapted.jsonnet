// Fold 0 of ADE on two frozen encoders: MiniLM, and MiniLM after the further pretraining of
// minilm_ade_neg.jsonnet.
(import 'ade_minilm_extended.jsonnet') + (import 'adapted.libsonnet')
