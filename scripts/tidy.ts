/**
 * The house rules that no other tool checks: sizes, include direction, the fence around Node's API,
 * names, left-over marks, and diagrams that name every state.
 *
 * Each rule is a function from one file's path and text to its findings, so that a test can give it
 * any text; the page of the state machines is checked against all sources, in `state-page.ts`.
 * `node dist/scripts/tidy.js` runs them all over the tree.
 */
import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { lineOf, stateEnums, withoutComments } from './cpp-text.js';
import { statePage, statePageFile } from './state-page.js';
import { root, tidyFiles } from './tree.js';

export interface Finding {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly file: string;
  readonly text: string;
}

type Rule = (source: SourceFile) => Finding[];

const columnsMax = 100;
const fileLinesMax = 1000;
const functionLinesMax = 100;

/**
 * What each folder of addon/ may include besides itself. Downward only: see docs/ARCHITECTURE.md.
 */
export const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  pdu: ['base', 'wire'],
  env: ['base'],
  reactor: ['base', 'env'],
  nvme: ['base', 'wire', 'pdu', 'env', 'reactor'],
  perf: ['base', 'wire', 'pdu', 'env', 'reactor', 'nvme', 'bdev', 'nvmf'],
  bdev: ['base', 'env', 'reactor'],
  nvmf: ['base', 'wire', 'env', 'reactor', 'bdev'],
  transport: ['base', 'wire', 'pdu', 'env', 'reactor', 'bdev', 'nvmf'],
  control: ['base', 'wire', 'pdu', 'env', 'reactor', 'bdev', 'nvmf', 'transport'],
  sim: ['base', 'wire', 'env', 'reactor', 'bdev', 'nvmf', 'transport', 'control'],
  binding: [
    ...['base', 'wire', 'pdu', 'env', 'reactor', 'perf'],
    ...['bdev', 'nvmf', 'transport', 'control'],
  ],
};

/** Kinds of bdev that are hosts of a controller, and what these may include. */
const drivers = /^addon\/bdev\/(nvme|nvmf)\//;
const driverLayers = ['base', 'wire', 'env', 'reactor', 'nvme'];

/** The simulated machine has devices; its hosts share no code with ours. */
const simulatedDevices = 'nvme/testing/';

const bannedNames: Readonly<Record<string, string>> = {
  manager: 'say what it owns or decides (ListenerSet, Acceptor, Registry)',
  helper: 'name the thing it makes or answers',
  util: 'name the one noun the file is about',
  handler: 'name the event or command (onConnect, IdentifyCommand)',
  data: 'name what it holds (payload, identify, counters)',
  info: 'name what it describes (BdevLimits, HostIdentity)',
  context: 'name its owner or its life (Request, Connection, Session)',
};

function isCpp(file: string): boolean {
  return /\.(cc|h)$/.test(file);
}

function isTypeScript(file: string): boolean {
  return file.endsWith('.ts');
}

function isTest(file: string): boolean {
  return file.startsWith('test/') || /(_test|_fuzz|_bench)\.cc$/.test(file);
}

function isGenerated(file: string): boolean {
  return file.endsWith('.gen.ts');
}

/** One finding for each line that `check` answers with a message. */
function eachLine(
  { file, text }: SourceFile,
  check: (line: string) => string | undefined,
): Finding[] {
  return text.split('\n').flatMap((content, index) => {
    const message = check(content);
    return message === undefined ? [] : [{ file, line: index + 1, message }];
  });
}

/** A long line is allowed for what is better not broken: an address, a text to search for. */
export const columns: Rule = (source) => {
  if (isGenerated(source.file)) return [];
  return eachLine(source, (line) => {
    const count = Array.from(line).length;
    if (count <= columnsMax || line.includes('://')) return undefined;
    if (source.file.endsWith('.ts') && /^[^'"`]{0,80}['"`].{20}/.test(line)) return undefined;
    return `expected at most ${columnsMax} columns, got ${count}`;
  });
};

export const fileSize: Rule = ({ file, text }) => {
  const count = text.split('\n').length - 1;
  if (isGenerated(file) || count <= fileLinesMax) return [];
  return [{ file, line: 1, message: `expected at most ${fileLinesMax} lines, got ${count}` }];
};

export const functionSize: Rule = (source) => {
  const { file } = source;
  if (isGenerated(file)) return [];
  const functions = isCpp(file)
    ? cppFunctions(source.text)
    : isTypeScript(file) && !isTest(file)
      ? typeScriptFunctions(source)
      : [];
  return functions.flatMap(({ first, last }) => {
    const count = last - first + 1;
    if (count <= functionLinesMax) return [];
    const message = `expected a function of at most ${functionLinesMax} lines, got ${count}`;
    return [{ file, line: first, message }];
  });
};

interface LineRange {
  readonly first: number;
  readonly last: number;
}

function typeScriptFunctions({ file, text }: SourceFile): LineRange[] {
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: LineRange[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const first = parsed.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      found.push({ first, last: parsed.getLineAndCharacterOfPosition(node.end).line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found;
}

/** The outermost function bodies of clang-formatted C++, found by their braces. */
function cppFunctions(text: string): LineRange[] {
  const code = withoutComments(text).replace(/^\s*#.*$/gm, '');
  const found: LineRange[] = [];
  const open: { readonly isFunction: boolean; readonly line: number }[] = [];
  let head = '';
  let line = 1;
  for (const character of code) {
    if (character === '\n') line++;
    if (character === '{') {
      const isContainer = /\b(namespace|class|struct|enum|union|extern)\b[^()]*$/.test(head);
      const inFunction = open.some((brace) => brace.isFunction);
      const isFunction = !inFunction && !isContainer && head.includes('(');
      const first = line - (head.trimStart().match(/\n/g)?.length ?? 0);
      open.push({ isFunction, line: first });
      head = '';
    } else if (character === '}') {
      const brace = open.pop();
      if (brace?.isFunction === true) found.push({ first: brace.line, last: line });
      head = '';
    } else if (character === ';') {
      head = '';
    } else {
      head += character;
    }
  }
  return found;
}

/** Tests stand beside their subject and may reach for whatever they need to make it work. */
export const includeDirection: Rule = (source) => {
  const { file } = source;
  const layer = /^addon\/([a-z_]+)\//.exec(file)?.[1];
  if (layer === undefined || !isCpp(file) || isTest(file)) return [];
  const allowed = drivers.test(file) ? driverLayers : layers[layer];
  if (allowed === undefined) {
    return [{ file, line: 1, message: `addon/${layer} is in no layer: add it in scripts/tidy.ts` }];
  }
  return eachLine(source, (line) => {
    const included = /^\s*#\s*include\s+"([^"]*)"/.exec(line)?.[1];
    if (included === undefined) return undefined;
    const target = /^([a-z_]+)\//.exec(included)?.[1];
    if (target === undefined) return `expected a path from addon/, got "${included}"`;
    if (target === layer || allowed.includes(target)) return undefined;
    if (layer === 'sim' && included.startsWith(simulatedDevices)) return undefined;
    return `${layer} includes ${target}: expected only ${[layer, ...allowed].join(', ')}`;
  });
};

export const nodeFence: Rule = (source) => {
  const { file } = source;
  if (isCpp(file) && !file.startsWith('addon/binding/')) {
    return eachLine(source, (line) =>
      /#\s*include\s*[<"](napi|node_api|node|v8|uv)\b/.test(line)
        ? 'only addon/binding includes a header of Node'
        : undefined,
    );
  }
  if (isTypeScript(file) && file.startsWith('src/') && !file.startsWith('src/engine/')) {
    return eachLine(source, (line) =>
      /['"`][^'"`]*capsuled\.node['"`]/.test(line)
        ? 'only src/engine loads the .node file'
        : undefined,
    );
  }
  return [];
};

export const names: Rule = (source) => {
  const { file } = source;
  const findings: Finding[] = [];
  const stem = path.basename(file).replace(/\..*$/, '');
  const replacement = bannedNames[stem.toLowerCase().replace(/s$/, '')] ?? bannedNames[stem];
  if (replacement !== undefined) {
    findings.push({ file, line: 1, message: `a file named ${stem}: ${replacement}` });
  }
  if (!isCpp(file) && !isTypeScript(file)) return findings;
  const declared = /\b(?:class|struct|interface|type|enum(?:\s+class)?)\s+([A-Za-z]+)\b/g;
  const code = isCpp(file) ? withoutComments(source.text) : source.text;
  for (const match of code.matchAll(declared)) {
    const name = match[1] ?? '';
    const instead = /^[A-Z]/.test(name) ? bannedNames[name.toLowerCase()] : undefined;
    if (instead === undefined) continue;
    const message = `a type named ${name}: ${instead}`;
    findings.push({ file, line: lineOf(code, match.index), message });
  }
  return findings;
};

/**
 * Marks that must not be committed, each with what to do. Written so that they don't match here.
 */
const marks: readonly (readonly [RegExp, string])[] = [
  [/\bFIX[M]E\b/, 'fix it, or open an issue and say why it can wait'],
  [/\bTODO\(no[w]\)/, 'do it now'],
];
const testMarks: readonly (readonly [RegExp, string])[] = [
  [/\.only\(|\bonly: *true\b|--only\b/, 'run all tests'],
  [
    /\b(?:t|tap|test|it|describe)\.skip\(|\bskip: *(true|['"`])|doctest::skip\(/,
    'a skipped test tests nothing',
  ],
  [/\.todo\(|\btodo: *(true|['"`])/, 'write the test'],
];

export const leftOvers: Rule = (source) => {
  const isOfTests = isTest(source.file) || source.file.startsWith('nvme-cli-tests/');
  return eachLine(source, (line) => {
    for (const [mark, advice] of isOfTests ? [...marks, ...testMarks] : marks) {
      const found = mark.exec(line);
      if (found !== null) return `${found[0]}: ${advice}`;
    }
    return undefined;
  });
};

/** A header that declares a machine's states draws them: its first comment names every member. */
export const stateDiagrams: Rule = ({ file, text }) => {
  if (!file.endsWith('.h')) return [];
  const leading = /^(?:\s*(?:\/\/[^\n]*|#pragma once[^\n]*)?\n)*/.exec(text)?.[0] ?? '';
  return stateEnums(text).flatMap(({ name, members, line }) =>
    members
      .filter((member) => !new RegExp(`\\b${member}\\b`).test(leading))
      .map((member) => {
        const message = `${name}::${member} is missing in the diagram that opens the header`;
        return { file, line, message };
      }),
  );
};

export const rules: readonly Rule[] = [
  columns,
  fileSize,
  functionSize,
  includeDirection,
  nodeFence,
  names,
  leftOvers,
  stateDiagrams,
];

/** Checks one file by every rule. */
export function tidy(source: SourceFile): Finding[] {
  return rules.flatMap((rule) => rule(source));
}

function main(): number {
  const files = tidyFiles();
  const read = (file: string) => ({ file, text: readFileSync(path.join(root, file), 'utf8') });
  const sources = files.map(read);
  const findings = [...sources.flatMap(tidy), ...statePage(read(statePageFile), sources)];
  for (const { file, line, message } of findings) console.error(`${file}:${line}: ${message}`);
  console.log(`tidy: ${files.length} files, ${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
}

const script = process.argv[1];
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  process.exitCode = main();
}
