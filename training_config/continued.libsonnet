// In the package, so that `joint-ner-re init` can copy it.
import '../joint_ner_re/configurations/continued.libsonnet'
