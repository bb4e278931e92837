// Fold 0 of ADE on a frozen encoder of BERT-base's size, with extensions, and with a gazetteer of the
// training part.
(import 'ade_mpnet.jsonnet') + (import 'gazetteer.libsonnet')
