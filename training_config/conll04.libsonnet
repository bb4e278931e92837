// What the configurations for CoNLL04 share: SpERT's split.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/spert/';

{
  // The sentences with relations that the model learns from.
  related:: [data + 'conll04_train.json'],

  dataset_reader+: { type: 'conll04' },
  train_data_path: self.related,
  validation_data_path: data + 'conll04_dev.json',
}
