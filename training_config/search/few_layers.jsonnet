// The paper's three depths, 0 to 2 each: for `allennlp search --space` where little time is given.
(import 'depths.jsonnet') + { most:: 2 }
