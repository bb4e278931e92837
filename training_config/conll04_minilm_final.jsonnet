// For CoNLL04's test part: the extended configuration on MiniLM, trained on all that is not in it.
(import 'conll04_minilm_extended.jsonnet') + (import 'conll04_final.libsonnet')
