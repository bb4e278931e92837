// Refines minilm.libsonnet: all-mpnet-base-v2 (109 M parameters) in MiniLM's place. The variable
// JOINT_NER_RE_ENCODER holds its name on the Hugging Face hub, which is
// sentence-transformers/all-mpnet-base-v2, or a directory with its files.
{
  encoder:: std.extVar('JOINT_NER_RE_ENCODER'),
  // All of its layers are mixed.
  encoder_layers:: null,

  token_embedders+:: {
    // The vectors of a word take 40 kB. With less memory, name a cache_directory.
    contextual+: { cache_megabytes: 8192 },
  },
}
