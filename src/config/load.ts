/**
 * From a configuration file to a {@link DaemonConfiguration}, or everything that is wrong with it.
 */

import { dirname, resolve } from 'node:path';
import { type Document, LineCounter, type YAMLError, parseDocument } from 'yaml';
import { TargetError } from '../errors.js';
import { checkConfiguration } from '../subsystem/configuration-check.js';
import { limitsDefault } from '../subsystem/target-options.js';
import { smallFiles } from '../small-file.js';
import { fileReason } from '../system-error.js';
import { check } from './checks.js';
import { allowedCores } from './cores.js';
import { type TextFault, decodeText } from './file-text.js';
import { type ConfigurationIssue, hasErrors } from './issue.js';
import { nestingFault } from './nesting.js';
import { type DaemonConfiguration, normalize } from './normalize.js';
import { Reader } from './reader.js';
import type { SchemaNode } from './schema-node.js';
import { type Configuration, type Draft, configurationSchema } from './schema.js';
import { checkTokenFile } from './token-file.js';

export interface LoadResult {
  /** In the order of the file. */
  readonly issues: readonly ConfigurationIssue[];
  /** Undefined if there is an error among the issues. */
  readonly configuration: DaemonConfiguration | undefined;
}

/** Larger files are refused: YAML of this size is a mistake. */
const FILE_BYTES_MAX = 8 << 20;

/** Throws a TargetError `configuration_unreadable` when there is no such file. */
export async function loadConfiguration(file: string): Promise<LoadResult> {
  let bytes: Buffer;
  try {
    bytes = await smallFiles.read(file, FILE_BYTES_MAX);
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
  const text = decodeText(bytes);
  if (typeof text !== 'string') return refused(text, file);
  const loading = new Loading(text, file, allowedCores());
  await loading.checkTokenFile();
  return loading.result();
}

function unreadable(file: string, thrown: unknown): TargetError {
  const code = (thrown as NodeJS.ErrnoException).code ?? '';
  const options = { cause: thrown };
  if (code === 'ENOENT') {
    return new TargetError(
      'configuration_unreadable',
      `there is no file ${file}; name the configuration with --config FILE`,
      options,
    );
  }
  const message = `${file} cannot be read: ${fileReason(thrown)}`;
  return new TargetError('configuration_unreadable', message, options);
}

/**
 * `file` names the text in messages, and relative paths in it begin at its folder. Nothing that the
 * text names is looked at.
 */
export function parseConfiguration(
  text: string,
  file: string,
  cores: readonly number[] = allowedCores(),
): LoadResult {
  return new Loading(text, file, cores).result();
}

/** A text that was read and checked, to which more can be said before it is a result. */
class Loading {
  readonly #cores: readonly number[];
  readonly #syntax: readonly ConfigurationIssue[];
  readonly #reader: Reader | undefined;
  readonly #draft: Draft<Configuration> | undefined;
  readonly #resolvePath: (path: string) => string;

  constructor(text: string, file: string, cores: readonly number[]) {
    this.#cores = cores;
    this.#resolvePath = (path) => resolve(dirname(file), path);
    const deep = nestingFault(text);
    if (deep !== undefined) {
      this.#syntax = refused(deep, file).issues;
      return;
    }
    const lines = new LineCounter();
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
    });
    this.#syntax = syntaxIssues(document, lines, file);
    if (hasErrors(this.#syntax)) return;
    const reader = new Reader(file, document, lines);
    this.#reader = reader;
    const schema = configurationSchema as unknown as SchemaNode;
    this.#draft = reader.read(document.contents, schema, '') as Draft<Configuration> | undefined;
    const machine = { allowedCores: cores, resolvePath: this.#resolvePath };
    if (this.#draft !== undefined) check(this.#draft, reader, machine);
  }

  async checkTokenFile(): Promise<void> {
    if (this.#draft === undefined || this.#reader === undefined) return;
    await checkTokenFile(this.#draft, this.#reader, this.#resolvePath);
  }

  result(): LoadResult {
    const reader = this.#reader;
    if (reader === undefined) return { issues: this.#syntax, configuration: undefined };
    // Without an error, nothing is missing from the draft.
    const configuration = hasErrors(reader.issues)
      ? undefined
      : normalize(this.#draft as Configuration, this.#cores, this.#resolvePath);
    if (configuration !== undefined) checkTarget(configuration, reader);
    const issues = [...this.#syntax, ...reader.issues].sort(
      (left, right) => left.line - right.line || left.column - right.column,
    );
    return { issues, configuration: hasErrors(issues) ? undefined : configuration };
  }
}

/**
 * The target has the last word on what it takes; what it would refuse later is said here, with its
 * place.
 */
function checkTarget({ target }: DaemonConfiguration, reader: Reader): void {
  try {
    checkConfiguration(target, limitsDefault);
  } catch (thrown) {
    if (!(thrown instanceof TargetError)) throw thrown;
    reader.error(thrown.field ?? '', thrown.message);
  }
}

/** The result of a text of which nothing else can be said. */
function refused({ line, column, message }: TextFault, file: string): LoadResult {
  const issue = {
    severity: 'error',
    file,
    line,
    column,
    path: '',
    message: `YAML: ${message}`,
  } as const;
  return { issues: [issue], configuration: undefined };
}

function syntaxIssues(
  document: Document.Parsed,
  lines: LineCounter,
  file: string,
): ConfigurationIssue[] {
  const issue =
    (severity: 'error' | 'warning') =>
    ({ pos, code, message }: YAMLError): ConfigurationIssue => {
      const { line, col } = lines.linePos(pos[0]);
      const text = SYNTAX_WORDS[code]?.(message) ?? message;
      return { severity, file, line, column: col, path: '', message: `YAML: ${text}` };
    };
  // The content of a tag that nobody knows would be taken as if the tag were not there.
  const [tags, warnings] = [true, false].map((isTag) =>
    document.warnings.filter(({ code }) => (code === 'TAG_RESOLVE_FAILED') === isTag),
  );
  return [
    ...[...document.errors, ...(tags ?? [])].map(issue('error')),
    ...(warnings ?? []).map(issue('warning')),
    ...versionIssues(document, file),
  ];
}

/** Where the library's words say too little. */
const SYNTAX_WORDS: Readonly<Record<string, (message: string) => string>> = {
  MULTIPLE_DOCS: () => 'expected one document, got several',
  TAG_RESOLVE_FAILED: (message) =>
    `expected no tag, got ${message.replace(/^Unresolved tag: /, '')}; tags have no meaning here`,
};

/** In YAML 1.1 the same digits and words are other numbers and flags. */
function versionIssues({ directives }: Document.Parsed, file: string): ConfigurationIssue[] {
  const { version } = directives.yaml;
  if (version === '1.2') return [];
  const message = `YAML: expected YAML 1.2, got %YAML ${version}; remove that line`;
  return [{ severity: 'error', file, line: 1, column: 1, path: '', message }];
}
