// The small corpus that was written for this project; nothing pretrained.
(import 'joint_ner_re.libsonnet') + {
  hidden_size:: 64,
  epochs:: 30,
  dataset_reader+: { type: 'joint_ner_re', granularity: 'fine' },
  train_data_path: 'fixtures/sample/train.jsonl',
  validation_data_path: 'fixtures/sample/dev.jsonl',
}
