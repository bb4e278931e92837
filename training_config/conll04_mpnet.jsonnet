// CoNLL04, SpERT's split, on a frozen encoder of BERT-base's size, with more than the paper has.
(import 'conll04_minilm_extended.jsonnet') + (import 'mpnet.libsonnet')
