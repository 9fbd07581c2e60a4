# Settings of one fuzz executable, included by build/programs.gypi. Under the Fuzz configuration it
# is a libFuzzer program; under the others it runs the corpus files it is given, so that an input
# can be replayed with any compiler or tool.
{
  'type': 'executable',
  'dependencies': ['engine', 'libcrypto'],
  'sources': ['../test/fuzz/replay.cc'],
  'configurations': {
    'Fuzz': {
      'ldflags': ['-fsanitize=fuzzer'],
    },
  },
}
