/** `capsuled check`: validates a configuration without touching the engine. */

import { type ConfigurationIssue, formatIssue } from '../config/issue.js';
import { loadConfiguration } from '../config/load.js';
import { TargetError } from '../errors.js';
import { printableJson, printableLine } from '../printable.js';
import { type Terminal, red, yellow } from './terminal.js';

export async function check(
  file: string,
  terminal: Terminal,
  format: 'text' | 'json',
): Promise<number> {
  const { issues, configuration } = await load(file);
  const valid = configuration !== undefined;
  if (format === 'json') {
    terminal.out(`${printableJson(JSON.stringify({ valid, issues }, null, 2))}\n`);
    return valid ? 0 : 1;
  }
  printIssues(issues, terminal);
  if (configuration === undefined) {
    const count = issues.filter((issue) => issue.severity === 'error').length;
    terminal.error(`${printableLine(file)}: invalid, ${plural(count, 'error')}\n`);
    return 1;
  }
  const { subsystems, bdevs } = configuration.target;
  terminal.out(
    `${printableLine(file)}: valid: ${plural(subsystems.length, 'subsystem')}, ${plural(bdevs.length, 'bdev')}\n`,
  );
  return 0;
}

/** A file that cannot be read is one more issue. */
async function load(file: string): ReturnType<typeof loadConfiguration> {
  try {
    return await loadConfiguration(file);
  } catch (thrown) {
    if (!(thrown instanceof TargetError)) throw thrown;
    const issue = { severity: 'error', file, line: 0, column: 0, path: '' } as const;
    return { issues: [{ ...issue, message: thrown.message }], configuration: undefined };
  }
}

export function printIssues(issues: readonly ConfigurationIssue[], terminal: Terminal): void {
  for (const issue of issues) {
    const paint = issue.severity === 'error' ? red : yellow;
    const line = formatIssue(issue).replace(
      `: ${issue.severity}: `,
      `: ${paint(`${issue.severity}:`, terminal)} `,
    );
    terminal.error(`${line}\n`);
  }
}

function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
