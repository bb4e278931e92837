// The same, and training changes the encoder, too.
(import 'conll04_mpnet.jsonnet') + (import 'finetuned.libsonnet') + { epochs:: 12 }
