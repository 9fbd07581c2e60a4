import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { statePage, statePageFile } from '../../../scripts/state-page.js';
import { root, tidyFiles } from '../../../scripts/tree.js';

const header = `// Open ─► Shut
//   └──────► Gone
#pragma once
enum class DoorState : uint8_t {
  Open,  ///< a draught, or a person, moves it on
  Shut,
  Gone,
};
constexpr bool door_may_become(DoorState from, DoorState to) {
  switch (from) {
    case Open: return true;
    case Shut:
    case Gone: return to == Open || to == Gone;
  }
}
`;

const section = `## The door

States: \`DoorState\` in \`addon/a.h\`. Writer: \`set_state()\`.

\`\`\`
Open ─► Shut
  └──────► Gone
\`\`\`

| state | meaning |
|---|---|
| \`Open\` | air |
| \`Shut\` | no air |
| \`Gone\` | no door |

| from | to | when |
|---|---|---|
| \`Open\` | \`Open\` \`Shut\` \`Gone\` | \`push()\` |
| \`Shut\` | \`Open\` \`Gone\` | pulled |
| \`Gone\` | \`Gone\` \`Open\` | made anew |
`;

function messages(text: string, file = 'addon/a.h', source = header): string[] {
  const page = { file: 'page.md', text };
  return statePage(page, [{ file, text: source }]).map(
    ({ line, message }) => `${line}: ${message}`,
  );
}

t.test('a section that says what the code says is right', async (t) => {
  t.strictSame(messages(section), []);
});

t.test('a machine of the engine must have a section, but not one of its tests', async (t) => {
  t.strictSame(messages('# Nothing\n'), ['1: DoorState of addon/a.h has no section']);
  t.strictSame(messages('# Nothing\n', 'addon/a_test.cc'), []);
});

t.test('a section about nothing is found', async (t) => {
  const [first] = messages(`\n${section.replace('DoorState', 'GateState')}`);
  t.equal(first, '2: there is no GateState in addon/a.h');
});

t.test('a state that is missing, and one that is unknown, are found', async (t) => {
  t.strictSame(messages(section.replace('| `Shut` | no air |\n', '')), [
    '1: DoorState::Shut is missing in the table of states',
  ]);
  t.strictSame(messages(section.replace('| `Shut` | no air |', '| `Closed` | no air |')), [
    '1: DoorState::Shut is missing in the table of states',
    '1: there is no DoorState::Closed',
  ]);
});

t.test('transitions are those of the code', async (t) => {
  t.strictSame(messages(section.replace('`Open` `Gone` | pulled', '`Gone` | pulled')), [
    '1: from DoorState::Shut: expected Open, Gone, got Gone',
  ]);
  t.match(messages(section.replace('`Open` `Gone` | pulled', '`Open` `Lost` | pulled')), [
    '1: there is no DoorState::Lost',
    /^1: from DoorState::Shut/,
  ]);
});

t.test('a diagram is that of the source', async (t) => {
  t.strictSame(messages(section.replace('Open ─► Shut', 'Shut ─► Open')), [
    '1: a diagram of DoorState is not the one of its source',
  ]);
});

t.test('the states of a class have its name', async (t) => {
  const nested = 'class Door {\n public:\n  enum class State : uint8_t { Open, Shut };\n};\n';
  t.strictSame(messages('# Nothing\n', 'addon/b.h', nested), [
    '1: Door::State of addon/b.h has no section',
  ]);
});

t.test('a union of TypeScript is read too, with its table', async (t) => {
  const source = `export type DoorState = 'open' | 'shut';
const transitions: Record<DoorState, readonly DoorState[]> = {
  open: ['shut'],
  shut: [],
};
`;
  const text = (to: string) => `## Door

States: \`DoorState\` in \`src/a.ts\`.

| state | meaning |
|---|---|
| \`open\` | air |
| \`shut\` | no air |

| from | to |
|---|---|
| \`open\` | \`${to}\` |
| \`shut\` | |
`;
  t.strictSame(messages(text('shut'), 'src/a.ts', source), []);
  t.strictSame(messages(text('open'), 'src/a.ts', source), [
    '1: from DoorState::open: expected shut, got open',
  ]);
});

t.test('every state of the page is looked at: another name for one is found', async (t) => {
  const read = (file: string) => ({ file, text: readFileSync(path.join(root, file), 'utf8') });
  const sources = tidyFiles().map(read);
  const page = read(statePageFile);
  t.strictSame(statePage(page, sources), []);
  const rows = Array.from(page.text.matchAll(/^\| `(\w+)` \|/gm));
  t.ok(rows.length > 60);
  for (const row of rows) {
    const begin = row.index + '| `'.length;
    const text = `${page.text.slice(0, begin)}Wrong${page.text.slice(begin)}`;
    const found = statePage({ ...page, text }, sources);
    t.not(found.length, 0, `${row[0]} as Wrong${row[1] ?? ''}`);
  }
});
