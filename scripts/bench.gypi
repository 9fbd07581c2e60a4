# Settings of one benchmark executable, included by build/programs.gypi.
{
  'type': 'executable',
  'dependencies': ['engine', 'libcrypto'],
  # What belongs to a benchmark stays apart from the engine that it measures.
  'configurations': { 'Release': { 'cflags!': ['-flto=auto'] } },
}
