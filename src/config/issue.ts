import { printable, printableLine } from '../printable.js';

/** One thing that is wrong, or doubtful, in a configuration file. */
export interface ConfigurationIssue {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** 1-based; 0 when the file could not be read at all. */
  readonly line: number;
  readonly column: number;
  /** The key's path, such as `subsystems[0].namespaces[1].bdev`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/**
 * `config.yaml:12:5: error: bdevs[0].size: expected …, got …`, as compilers print and editors parse
 * it: one line, whatever the file holds.
 */
export function formatIssue(issue: ConfigurationIssue): string {
  const place =
    issue.line === 0 ? issue.file : `${issue.file}:${String(issue.line)}:${String(issue.column)}`;
  const path = issue.path === '' ? '' : `${printable(issue.path)}: `;
  return printableLine(`${place}: ${issue.severity}: ${path}${issue.message}`);
}

export function hasErrors(issues: readonly ConfigurationIssue[]): boolean {
  return issues.some((issue) => issue.severity === 'error');
}
