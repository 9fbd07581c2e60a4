/**
 * `capsuled apply` and `capsuled plan`: have the running daemon take its file as it is now, or say
 * what would come of that. It asks the daemon's HTTP side-car, which knows hosts that are connected
 * and RAM disks that were written to; so it can give the permission that SIGHUP cannot.
 *
 * The daemon reads its file itself. Which file that should be is said to it, so that nobody looks
 * at one file and has another one carried out.
 */

import { resolve } from 'node:path';
import { loadConfiguration } from '../config/load.js';
import { TargetError } from '../errors.js';
import { printableJson, printableLine } from '../printable.js';
import { smallFiles } from '../small-file.js';
import { type Change, type Permission, permissions } from '../subsystem/change.js';
import { type AdminWords, adminPost } from './admin-client.js';
import { printIssues } from './check.js';
import { type Terminal, yellow } from './terminal.js';

export interface ApplyWords extends AdminWords {
  readonly allow?: readonly string[];
  readonly dryRun?: true;
  readonly json?: true;
  /** Whether `config` is what the user wrote, rather than the default. */
  readonly isConfigGiven: boolean;
}

interface Report {
  readonly applied: boolean;
  readonly file: string;
  readonly changes: readonly Change[];
  readonly warnings: readonly string[];
}

export async function apply(words: ApplyWords, terminal: Terminal): Promise<number> {
  const allow = parsePermissions(words.allow ?? []);
  if (words.server === undefined) {
    const { issues, configuration } = await loadConfiguration(words.config);
    printIssues(issues, terminal);
    if (configuration === undefined) return 1;
  }
  const meant = await fileMeant(words);
  const body = { allow, dry_run: words.dryRun === true, ...meant };
  const report = (await adminPost(words, '/v1/reload', body)) as Report;
  if (words.json === true) terminal.out(`${printableJson(JSON.stringify(report, null, 2))}\n`);
  else print(report, terminal);
  return 0;
}

/**
 * With a server, the file is the daemon's, which may be on another machine, unless the user names
 * one.
 */
async function fileMeant({
  server,
  config,
  isConfigGiven,
}: ApplyWords): Promise<{ file?: string }> {
  if (server !== undefined && !isConfigGiven) return {};
  // What cannot be looked at here may be there for the daemon.
  return { file: await smallFiles.realpath(config).catch(() => resolve(config)) };
}

/** `data-loss,disconnect`, or one option for each. */
function parsePermissions(words: readonly string[]): Permission[] {
  return words
    .flatMap((word) => word.split(','))
    .map((word) => {
      const known = permissions.find((permission) => permission === word.trim());
      if (known !== undefined) return known;
      throw TargetError.expected('argument_invalid', permissions.join(' or '), '--allow', word);
    });
}

function print({ applied, file, changes, warnings }: Report, terminal: Terminal): void {
  if (changes.length === 0) terminal.out(`nothing to change: ${file} is what runs\n`);
  for (const { text, notice, needs } of changes) {
    const effect = notice === null ? '' : `: ${notice}`;
    const need =
      needs.length === 0 ? '' : ` (${applied ? 'allowed' : 'needs'}: ${needs.join(', ')})`;
    const line = `${applied ? 'done' : 'would'}: ${text}${effect}${need}`;
    terminal.out(`${printableLine(line)}\n`);
  }
  const said = new Set(changes.map(({ text, notice }) => `${text}: ${notice ?? ''}`));
  for (const warning of warnings) {
    if (!said.has(warning))
      terminal.error(`${yellow('warning:', terminal)} ${printableLine(warning)}\n`);
  }
}
