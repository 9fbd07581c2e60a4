/**
 * From a configuration file to a {@link DaemonConfiguration}, or everything that is wrong with it.
 */

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, LineCounter, type YAMLError, parseDocument } from 'yaml';
import { TargetError } from '../errors.js';
import { checkConfiguration } from '../subsystem/configuration-check.js';
import { limitsDefault } from '../subsystem/target-options.js';
import { check } from './checks.js';
import { allowedCores } from './cores.js';
import { type ConfigurationIssue, hasErrors } from './issue.js';
import { type DaemonConfiguration, normalize } from './normalize.js';
import { Reader } from './reader.js';
import type { SchemaNode } from './schema-node.js';
import { type Configuration, type Draft, configurationSchema } from './schema.js';

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
    bytes = await readFile(file);
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw new TargetError('configuration_unreadable', `${file} is larger than 8 MiB`);
  }
  return parseConfiguration(bytes.toString('utf8'), file);
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
  const reason =
    code === 'EISDIR' ? 'it is a folder' : code === 'EACCES' ? 'permission denied' : code;
  return new TargetError('configuration_unreadable', `${file} cannot be read: ${reason}`, options);
}

/** `file` names the text in messages, and relative paths in it begin at its folder. */
export function parseConfiguration(
  text: string,
  file: string,
  cores: readonly number[] = allowedCores(),
): LoadResult {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const syntax = syntaxIssues(document, lines, file);
  if (hasErrors(syntax)) return { issues: syntax, configuration: undefined };
  const reader = new Reader(file, document, lines);
  const resolvePath = (path: string) => resolve(dirname(file), path);
  const schema = configurationSchema as unknown as SchemaNode;
  const draft = reader.read(document.contents, schema, '') as Draft<Configuration> | undefined;
  if (draft !== undefined) check(draft, reader, { allowedCores: cores, resolvePath });
  // Without an error, nothing is missing from the draft.
  const configuration = hasErrors(reader.issues)
    ? undefined
    : normalize(draft as Configuration, cores, resolvePath);
  if (configuration !== undefined) checkTarget(configuration, reader);
  const issues = [...syntax, ...reader.issues].sort(
    (left, right) => left.line - right.line || left.column - right.column,
  );
  return { issues, configuration: hasErrors(issues) ? undefined : configuration };
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

function syntaxIssues(
  document: Document.Parsed,
  lines: LineCounter,
  file: string,
): ConfigurationIssue[] {
  const issue =
    (severity: 'error' | 'warning') =>
    ({ pos, code, message }: YAMLError): ConfigurationIssue => {
      const { line, col } = lines.linePos(pos[0]);
      const text = code === 'MULTIPLE_DOCS' ? 'expected one document, got several' : message;
      return { severity, file, line, column: col, path: '', message: `YAML: ${text}` };
    };
  return [...document.errors.map(issue('error')), ...document.warnings.map(issue('warning'))];
}
