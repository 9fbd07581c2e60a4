/**
 * docs/internals/state-machines.md agrees with the code. Every machine of the engine has a section
 * that begins with where its states are; its table of states names them all and no other, its
 * diagrams are those of the source, and so are its transitions, where the source has a table of
 * them.
 */
import { lineOf, stateEnums, withoutComments } from './cpp-text.js';
import type { Finding, SourceFile } from './tidy.js';

export const statePageFile = 'docs/internals/state-machines.md';

interface Machine {
  readonly name: string;
  readonly members: readonly string[];
  /** Null: the source has no table of them. */
  readonly transitions: ReadonlyMap<string, readonly string[]> | null;
}

function words(text: string, pattern: RegExp): string[] {
  return Array.from(text.matchAll(pattern), (match) => match[1] ?? '');
}

function cppMachine(name: string, text: string): Machine | null {
  const members = stateEnums(text).find((found) => found.name === name)?.members;
  if (members === undefined) return null;
  const table = new RegExp(`_may_become\\(${name} from[^{]*\\{([\\s\\S]*?)\\n\\}`);
  const body = table.exec(withoutComments(text))?.[1];
  if (body === undefined) return { name, members, transitions: null };
  const transitions = new Map<string, readonly string[]>();
  for (const [, cases = '', next = ''] of body.matchAll(/((?:case \w+:\s*)+)return ([^;]*);/g)) {
    const to = next === 'true' ? members : words(next, /to == (\w+)/g);
    for (const from of words(cases, /case (\w+)/g)) transitions.set(from, to);
  }
  return { name, members, transitions };
}

function typeScriptMachine(name: string, text: string): Machine | null {
  const union = new RegExp(`\\btype ${name} =([^;]*);`).exec(text)?.[1];
  if (union === undefined) return null;
  const members = words(union, /'(\w+)'/g);
  const record = new RegExp(`: Record<${name},[^=]*= \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1];
  if (record === undefined) return { name, members, transitions: null };
  const rows = Array.from(record.matchAll(/(\w+): \[([^\]]*)\]/g));
  const transitions = new Map(
    rows.map(([, from = '', to = '']) => [from, words(to, /'(\w+)'/g)] as const),
  );
  return { name, members, transitions };
}

/** The rows below the header that begins with this word: the names in each cell, in backticks. */
function tableNames(text: string, header: string): string[][][] {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`| ${header} |`));
  if (first < 0) return [];
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('|'));
  return lines
    .slice(first + 2, end < 0 ? undefined : end)
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => words(cell, /`(\w+)`/g)));
}

function* differences(
  { name, members, transitions }: Machine,
  section: string,
  source: string,
): Iterable<string> {
  const states = tableNames(section, 'state').flatMap(([state = []]) => state);
  for (const member of members) {
    if (!states.includes(member)) yield `${name}::${member} is missing in the table of states`;
  }
  const rows = tableNames(section, 'from');
  for (const state of new Set([...states, ...rows.flat(2)])) {
    if (!members.includes(state)) yield `there is no ${name}::${state}`;
  }
  for (const [from, expected] of transitions ?? []) {
    const row = rows.find(([froms = []]) => froms.includes(from));
    const got = row?.[1] ?? [];
    if (row !== undefined && [...got].sort().join() === [...expected].sort().join()) continue;
    yield `from ${name}::${from}: expected ${expected.join(', ')}, got ${got.join(', ')}`;
  }
  const comments = source.replace(/^ *(?:\/\/| \*) ?/gm, '');
  for (const diagram of words(section, /^```\n([\s\S]*?)^```$/gm)) {
    if (!comments.includes(diagram)) yield `a diagram of ${name} is not the one of its source`;
  }
}

/** Checks the page against the sources of the engine and of the admin plane. */
export function statePage({ file, text }: SourceFile, sources: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = [];
  const described = new Set<string>();
  const headings = Array.from(text.matchAll(/^##+ .*$/gm), (match) => match.index);
  headings.forEach((begin, index) => {
    const section = text.slice(begin, headings[index + 1]);
    const [, name, sourceFile] = /^States: `([\w:]+)` in `([^`]+)`/m.exec(section) ?? [];
    if (name === undefined) return;
    const line = lineOf(text, begin);
    const source = sources.find((candidate) => candidate.file === sourceFile)?.text ?? '';
    const read = sourceFile?.endsWith('.ts') === true ? typeScriptMachine : cppMachine;
    const machine = read(name, source);
    described.add(`${name} ${sourceFile}`);
    if (machine === null) {
      findings.push({ file, line, message: `there is no ${name} in ${sourceFile}` });
      return;
    }
    for (const message of differences(machine, section, source)) {
      findings.push({ file, line, message });
    }
  });
  for (const source of sources) {
    if (!/^addon\/.*\.(cc|h)$/.test(source.file) || /_(test|fuzz)\.cc$/.test(source.file)) continue;
    for (const { name } of stateEnums(source.text)) {
      if (described.has(`${name} ${source.file}`)) continue;
      findings.push({ file, line: 1, message: `${name} of ${source.file} has no section` });
    }
  }
  return findings;
}
