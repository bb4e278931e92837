// CoNLL04 on a frozen encoder of BERT-base's size, with the entities of the other sentences, too.
(import 'conll04_minilm_more_entities.jsonnet') + (import 'mpnet.libsonnet')
