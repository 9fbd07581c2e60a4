# The one description of what is built from C++. `npm run setup` configures and builds it; by hand:
#
#   make -C build capsuled                                         build/Release/capsuled.node
#   make -C build BUILDTYPE=Asan native_tests                      build/Asan/native_tests
#   make -C build BUILDTYPE=Fuzz CXX=clang++-19 pdu_reader_fuzz    build/Fuzz/pdu_reader_fuzz
#
# Which source belongs to which program is said in scripts/sources.mjs; fuzzers and benchmarks, one
# executable for each source, come from the generated build/programs.gypi with the settings in
# scripts/fuzz.gypi and scripts/bench.gypi.
{
  'includes': ['build/programs.gypi'],

  'target_defaults': {
    'default_configuration': 'Release',
    'include_dirs': ['addon', 'build'],
    # Node's common.gypi decides language version, optimisation and warnings for addons; the project
    # decides for itself.
    'cflags!': ['-O3', '-Wno-unused-parameter'],
    'cflags_cc!': ['-std=gnu++17'],
    'cflags': ['-g', '-fno-omit-frame-pointer', '-fdiagnostics-color=auto'],
    'cflags_cc': [
      '-std=gnu++20',
      '-fno-exceptions',
      '-fno-rtti',
      '-Wall',
      '-Wextra',
      '-Wconversion',
      '-Wno-sign-conversion',
      '-Wshadow',
      '-Werror',
    ],
    'configurations': {
      'Release': {
        # A command passes some forty small functions of several sources: they are joined when the
        # program is linked (docs/internals/performance.md).
        'cflags': ['-O2', '-flto=auto', '-ffat-lto-objects', '-fno-semantic-interposition'],
        'cflags_cc': ['-fvisibility=hidden'],
        'ldflags': ['-O2', '-flto=auto'],
      },
      'Asan': {
        'cflags': ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
        'ldflags': ['-fsanitize=address,undefined'],
      },
      'Tsan': {
        'cflags': ['-O1', '-fsanitize=thread'],
        'ldflags': ['-fsanitize=thread'],
      },
      # The sanitizer's calls without its run-time: addon/control/testing/access_recorder.h.
      'Sharing': {
        'cflags': ['-O1', '-fsanitize=thread'],
      },
      'Fuzz': {
        'defines': ['CAPSULED_LIBFUZZER'],
        'cflags': [
          '-O1',
          '-fsanitize=fuzzer-no-link,address,undefined',
          '-fno-sanitize-recover=undefined',
        ],
        'ldflags': ['-fsanitize=address,undefined'],
      },
    },
  },

  'targets': [
    {
      # Everything but the edge to Node. Links without Node.
      'target_name': 'engine',
      'type': 'static_library',
      'sources': ['<!@(node scripts/sources.mjs engine)'],
      'direct_dependent_settings': {
        'libraries': ['-l:liburing.a', '-lisal', '-lpthread'],
      },
    },
    {
      # Of programs that run without Node; the addon finds the same functions in Node's executable.
      # Both are compiled with the headers that Node comes with.
      'target_name': 'libcrypto',
      'type': 'none',
      'direct_dependent_settings': {
        'libraries': ['-l:libcrypto.so.3'],
      },
    },
    {
      # build/Release/capsuled.node
      'target_name': 'capsuled',
      'type': 'loadable_module',
      'dependencies': ['engine'],
      'sources': ['<!@(node scripts/sources.mjs binding)'],
      'defines': ['NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS'],
      # As system headers: their warnings are not ours to fix.
      'cflags_cc': ['-isystem', '<(module_root_dir)/node_modules/node-addon-api'],
      'ldflags': ['-Wl,--exclude-libs,ALL'],
    },
    {
      'target_name': 'native_tests',
      'type': 'executable',
      'dependencies': ['engine', 'libcrypto'],
      'include_dirs': ['test/native'],
      'sources': ['<!@(node scripts/sources.mjs nativeTests)'],
      # doctest's REQUIRE leaves a test case by an exception.
      'cflags_cc!': ['-fno-exceptions'],
      'cflags_cc': ['-fexceptions'],
    },
    {
      # Prints src/wire/layout.gen.ts.
      'target_name': 'wire_layout',
      'type': 'executable',
      'dependencies': ['engine'],
      'sources': ['<!@(node scripts/sources.mjs wireLayout)'],
    },
    {
      # build/Asan/sim: the simulation.
      'target_name': 'sim',
      'type': 'executable',
      'dependencies': ['engine', 'libcrypto'],
      'sources': ['<!@(node scripts/sources.mjs sim)'],
    },
  ],
}
