# Settings of one benchmark executable, included by build/programs.gypi.
{
  'type': 'executable',
  'dependencies': ['engine'],
}
