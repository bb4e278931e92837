// Fold 0 of ADE on a frozen MiniLM encoder, with extensions, and with a gazetteer of the training part.
(import 'ade_minilm_extended.jsonnet') + (import 'gazetteer.libsonnet')
