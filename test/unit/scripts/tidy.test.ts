import { readdirSync } from 'node:fs';
import t from 'tap';
import * as tidy from '../../../scripts/tidy.js';

type Rule = (source: tidy.SourceFile) => tidy.Finding[];

function findings(rule: Rule, file: string, text: string): string[] {
  return rule({ file, text }).map(({ line, message }) => `${line}: ${message}`);
}

function isClean(rule: Rule, file: string, text: string): boolean {
  return findings(rule, file, text).length === 0;
}

t.test('columns are counted in characters, and few things may be longer', async (t) => {
  t.ok(isClean(tidy.columns, 'src/a.ts', `${'é'.repeat(100)}\n`));
  t.strictSame(findings(tidy.columns, 'src/a.ts', `\n${'x'.repeat(101)}\n`), [
    '2: expected at most 100 columns, got 101',
  ]);
  t.ok(isClean(tidy.columns, 'src/a.ts', `// https://example.org/${'x'.repeat(100)}\n`));
  const expectation = `  t.equal(message, '${'x'.repeat(100)}');\n`;
  t.ok(isClean(tidy.columns, 'src/a.ts', expectation));
  t.notOk(isClean(tidy.columns, 'addon/base/a.cc', expectation));
  t.ok(isClean(tidy.columns, 'src/wire/layout.gen.ts', `${'x'.repeat(101)}\n`));
});

t.test('a file has at most 1000 lines', async (t) => {
  t.ok(isClean(tidy.fileSize, 'src/a.ts', '\n'.repeat(1000)));
  t.notOk(isClean(tidy.fileSize, 'src/a.ts', '\n'.repeat(1001)));
});

t.test('a C++ function has at most 100 lines, wherever it stands', async (t) => {
  const body = (lines: number) => `void f(int a) {\n${'  if (a) { g(); }\n'.repeat(lines - 2)}}\n`;
  t.ok(isClean(tidy.functionSize, 'addon/base/a.cc', body(100)));
  t.notOk(isClean(tidy.functionSize, 'addon/base/a.cc', body(101)));
  const nested = `namespace n {\nclass C {\n ${body(101)}};\n}\n`;
  t.strictSame(findings(tidy.functionSize, 'addon/base/a.h', nested), [
    '3: expected a function of at most 100 lines, got 101',
  ]);
});

t.test('a long class, table or namespace is no long function', async (t) => {
  const table = `constexpr int kTable[] = {\n${'  1,\n'.repeat(200)}};\n`;
  const members = `class C final : public B<int> {\n${'  int a();\n'.repeat(200)}};\n`;
  t.ok(isClean(tidy.functionSize, 'addon/base/a.cc', `namespace n {\n${table}${members}}\n`));
});

t.test('braces in comments and literals are not counted', async (t) => {
  const text = `void f() {\n  // }\n  g("{", '{', "\\"{");\n}\n${'int a;\n'.repeat(200)}`;
  t.ok(isClean(tidy.functionSize, 'addon/base/a.cc', text));
});

t.test('a TypeScript function has at most 100 lines, but a test may list more', async (t) => {
  const body = (lines: number) => `function f() {\n${'  g();\n'.repeat(lines - 2)}}\n`;
  t.ok(isClean(tidy.functionSize, 'src/a.ts', body(100)));
  t.notOk(isClean(tidy.functionSize, 'src/a.ts', body(101)));
  t.ok(isClean(tidy.functionSize, 'test/unit/a.test.ts', body(101)));
});

t.test('includes go downward', async (t) => {
  const direction = tidy.includeDirection;
  t.ok(isClean(direction, 'addon/nvmf/a.cc', '#include "wire/pdu.h"\n#include "nvmf/b.h"\n'));
  t.ok(isClean(direction, 'addon/perf/a.cc', '#include "nvme/qpair.h"\n'));
  t.ok(isClean(direction, 'addon/perf/a.cc', '#include "bdev/bdev_io.h"\n'));
  t.ok(isClean(direction, 'addon/sim/a.cc', '#include "nvme/testing/b.h"\n'));
  t.match(findings(direction, 'addon/sim/a.cc', '#include "nvme/qpair.h"\n'), [
    /^1: sim includes nvme/,
  ]);
  t.match(findings(direction, 'addon/bdev/null/a.cc', '#include "nvme/qpair.h"\n'), [
    /^1: bdev includes nvme/,
  ]);
  t.match(findings(direction, 'addon/wire/a.h', '\n#include "env/env.h"\n'), [
    /^2: wire includes env/,
  ]);
  t.match(findings(direction, 'addon/nvmf/a.cc', '#include "b.h"\n'), [/a path from addon/]);
  t.match(findings(direction, 'addon/elsewhere/a.cc', ''), [/in no layer/]);
  t.ok(isClean(direction, 'addon/wire/a_test.cc', '#include "env/env.h"\n'));
});

t.test('the layers are the folders of addon/', async (t) => {
  const folders = readdirSync('addon', { withFileTypes: true }).filter((at) => at.isDirectory());
  t.strictSame(Object.keys(tidy.layers).sort(), folders.map(({ name }) => name).sort());
  const below = new Set(Object.values(tidy.layers).flat());
  for (const name of below) t.ok(name in tidy.layers, name);
});

t.test('only the binding knows Node, and only src/engine loads it', async (t) => {
  t.ok(isClean(tidy.nodeFence, 'addon/binding/a.cc', '#include <napi.h>\n'));
  t.notOk(isClean(tidy.nodeFence, 'addon/nvmf/a.cc', '#include <napi.h>\n'));
  const load = "const engine = require('../../build/Release/capsuled.node');\n";
  t.ok(isClean(tidy.nodeFence, 'src/engine/a.ts', load));
  t.notOk(isClean(tidy.nodeFence, 'src/admin/a.ts', load));
});

t.test('a whole name that says nothing is refused with a better one', async (t) => {
  t.match(findings(tidy.names, 'src/utils.ts', ''), [/the one noun/]);
  t.match(findings(tidy.names, 'src/a.ts', '\nclass ' + 'Manager {}\n'), [
    /^2: a type named Manager/,
  ]);
  t.match(findings(tidy.names, 'addon/base/a.h', 'struct ' + 'Context {\n'), [/Context/]);
  t.ok(isClean(tidy.names, 'src/database.ts', 'class DataDigest {}\n'));
});

t.test('marks of unfinished work are refused', async (t) => {
  for (const mark of ['FIX' + 'ME', 'TODO(' + 'now)']) {
    t.notOk(isClean(tidy.leftOvers, 'src/a.ts', `// ${mark}: later\n`), mark);
  }
  t.ok(isClean(tidy.leftOvers, 'src/a.ts', 'rows.sk' + 'ip(1);\n'));
  for (const mark of ['t.only' + '(', 't.skip' + '(', '{ sk' + 'ip: true }', 't.todo' + '(']) {
    t.notOk(isClean(tidy.leftOvers, 'test/unit/a.test.ts', `${mark}\n`), mark);
  }
});

t.test('the comment that opens a header names every state', async (t) => {
  const states = 'enum class DoorState : uint8_t {\n  Open,  // {\n  Shut = 2,\n};\n';
  t.ok(isClean(tidy.stateDiagrams, 'addon/a.h', `// Open → Shut\n#pragma once\n${states}`));
  t.strictSame(findings(tidy.stateDiagrams, 'addon/a.h', `// Open → ?\n#pragma once\n${states}`), [
    '3: DoorState::Shut is missing in the diagram that opens the header',
  ]);
});
