// For CoNLL04's test part: the encoder of BERT-base's size, trained, too, on all that is not in it.
(import 'conll04_mpnet_finetuned.jsonnet') + (import 'conll04_final.libsonnet')
