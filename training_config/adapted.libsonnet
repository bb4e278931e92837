// Refines minilm.libsonnet: a second frozen encoder stands beside the first, such as what
// minilm_ade_neg.jsonnet made of it, in the directory that JOINT_NER_RE_ENCODER names.
{
  local config = self,

  adapted:: std.extVar('JOINT_NER_RE_ENCODER'),
  // Its last layers have been trained for words again.
  adapted_layers:: [1, 2, 3, 4, 5, 6],

  token_indexers+:: {
    adapted: { type: 'word_pieces', model_name: config.adapted },
  },
  token_embedders+:: {
    adapted: { type: 'transformer', model_name: config.adapted, layers: config.adapted_layers },
  },
}
