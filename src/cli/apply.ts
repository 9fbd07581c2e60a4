/**
 * `capsuled apply` and `capsuled plan`: have the running daemon take its file as it is now, or say
 * what would come of that. It asks the daemon's HTTP side-car, which knows hosts that are connected
 * and RAM disks that were written to; so it can give the permission that SIGHUP cannot.
 */

import { hostPortText } from '../config/describe.js';
import { loadConfiguration } from '../config/load.js';
import type { AdminOptions } from '../config/normalize.js';
import { readToken } from '../admin/authorization.js';
import { TargetError } from '../errors.js';
import { type Change, type Permission, permissions } from '../subsystem/change.js';
import { isWildcard } from '../transport/address.js';
import { printIssues } from './check.js';
import { type Terminal, yellow } from './terminal.js';

export interface ApplyWords {
  readonly config: string;
  readonly allow?: readonly string[];
  readonly dryRun?: true;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

interface Report {
  readonly applied: boolean;
  readonly changes: readonly Change[];
  readonly warnings: readonly string[];
}

/** The answer may take as long as disks take to open and to drain. */
const ANSWER_TIMEOUT_MS = 120_000;

export async function apply(words: ApplyWords, terminal: Terminal): Promise<number> {
  const allow = parsePermissions(words.allow ?? []);
  const { issues, configuration } = await loadConfiguration(words.config);
  printIssues(issues, terminal);
  if (configuration === undefined) return 1;
  const server = words.server ?? serverOf(configuration.admin);
  const token = await tokenOf(words.tokenFile ?? configuration.admin.tokenFile);
  const dryRun = words.dryRun === true;
  const report = await ask(server, token, { allow, dry_run: dryRun });
  if (words.json === true) terminal.out(`${JSON.stringify(report, null, 2)}\n`);
  else print(report, terminal);
  return 0;
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

function serverOf({ listen }: AdminOptions): string {
  if (listen.port === 0) {
    throw new TargetError(
      'argument_invalid',
      'expected --server URL, because admin.listen takes any port; the daemon says which when it is ready',
    );
  }
  const { address, port } = listen;
  const loopback = address.includes(':') ? '::1' : '127.0.0.1';
  return `http://${hostPortText({ address: isWildcard(address) ? loopback : address, port })}`;
}

async function tokenOf(file: string | null): Promise<string> {
  if (file !== null) return readToken(file);
  throw new TargetError(
    'unauthorized',
    'the daemon takes changes over HTTP from who has its token: set admin.token_file and restart it, ' +
      'or name the file with --token-file; a restart takes the configuration as it is, too',
  );
}

async function ask(server: string, token: string, body: object): Promise<Report> {
  let response: Response;
  try {
    response = await fetch(new URL('/v1/reload', server), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch (thrown) {
    const { cause, message } = thrown as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw new TargetError('not_ready', `no daemon answers at ${server}: ${reason}`);
  }
  const answer = (await response.json()) as Report & { code?: string; detail?: string };
  if (response.ok) return answer;
  if (response.status === 404) {
    throw new TargetError(
      'not_found',
      `${server} takes no changes: it runs without admin.token_file`,
    );
  }
  throw new TargetError('apply_failed', answer.detail ?? `${server} answered ${response.status}`);
}

function print({ applied, changes, warnings }: Report, terminal: Terminal): void {
  if (changes.length === 0) terminal.out('nothing to change\n');
  for (const { text, notice, needs } of changes) {
    const effect = notice === null ? '' : `: ${notice}`;
    const need =
      needs.length === 0 ? '' : ` (${applied ? 'allowed' : 'needs'}: ${needs.join(', ')})`;
    terminal.out(`${applied ? 'done' : 'would'}: ${text}${effect}${need}\n`);
  }
  const said = new Set(changes.map(({ text, notice }) => `${text}: ${notice ?? ''}`));
  for (const warning of warnings) {
    if (!said.has(warning)) terminal.error(`${yellow('warning:', terminal)} ${warning}\n`);
  }
}
