// What the configurations for ADE share: one of the ten published folds, and the development part
// cut from its training part.
local data = std.extVar('JOINT_NER_RE_DATA') + '/ade/';

{
  fold:: 0,

  dataset_reader+: {
    type: 'ade',
    fold: $.fold,
    folds: data + 'spert/ade_folds.json',
    // So that ADE-NEG.txt has the same parts (allennlp natural-mix).
    positives: data + 'DRUG-AE.rel',
    overlap: 'keep',
  },
  train_data_path: data + 'DRUG-AE.rel#train',
  validation_data_path: data + 'DRUG-AE.rel#dev',
}
