// The same, and training changes the encoder, too.
(import 'ade_mpnet.jsonnet') + (import 'finetuned.libsonnet') + { epochs:: 12 }
