// CoNLL04, SpERT's split, with nothing pretrained. Dropout and rate are tuned on its dev part.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/spert/';

(import 'joint_ner_re.libsonnet') + {
  dropout:: 0.5,
  epochs:: 30,

  dataset_reader+: { type: 'conll04' },
  train_data_path: data + 'conll04_train.json',
  validation_data_path: data + 'conll04_dev.json',
}
