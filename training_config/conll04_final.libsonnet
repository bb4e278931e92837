// Refines a configuration for CoNLL04 whose settings are chosen: it is trained on the development
// part, too, as published systems are before they are tested. With nothing left to choose an epoch
// by, the last one is kept.
local data = std.extVar('JOINT_NER_RE_DATA') + '/conll04/spert/';

{
  train_data_path: [data + 'conll04_train.json', data + 'conll04_dev.json'],
  validation_data_path: null,
}
