// For CoNLL04's test part: the encoder of BERT-base's size, frozen, trained on all that is not in
// it, and on the entities of the corpus's other sentences, which published systems do not use.
(import 'conll04_mpnet_more_entities.jsonnet') + (import 'conll04_final.libsonnet')
