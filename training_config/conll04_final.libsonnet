// Refines a configuration for CoNLL04 whose settings are chosen: it is trained on the development
// part, too, as published systems are before they are tested. With nothing left to choose an epoch
// by, the last one is kept.
{
  related+:: [std.extVar('JOINT_NER_RE_DATA') + '/conll04/spert/conll04_dev.json'],
  validation_data_path: null,
}
