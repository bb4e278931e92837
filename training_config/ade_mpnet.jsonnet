// Fold 0 of ADE on a frozen encoder of BERT-base's size, with more than the paper has.
(import 'ade_minilm_extended.jsonnet') + (import 'mpnet.libsonnet')
