// The demo: a small corpus written for this project, and a small model on a frozen MiniLM encoder.
(import 'joint_ner_re.libsonnet') + (import 'minilm.libsonnet') + (import 'extended.libsonnet') + {
  layers:: { shared: 0, ner: 1, relation: 1 },
  hidden_size:: 128,
  epochs:: 20,
  dataset_reader+: { type: 'joint_ner_re', granularity: 'fine' },
  train_data_path: 'fixtures/sample/train.jsonl',
  validation_data_path: 'fixtures/sample/dev.jsonl',
}
