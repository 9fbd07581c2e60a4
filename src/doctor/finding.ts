/** One thing that was looked at, and what is to be said of it. */

/**
 * `unused`: what is configured does without it. `warning`: it works, but worse than it could, or
 * than is configured. `missing`: what is configured does not work without it.
 */
export const verdicts = ['ok', 'unused', 'warning', 'missing'] as const;

export type Verdict = (typeof verdicts)[number];

export interface Finding {
  /** Stable: scripts may look for it. */
  readonly name: string;
  readonly verdict: Verdict;
  /** A sentence without its end. */
  readonly reason: string;
  /** What to type, or to write where; null: there is nothing to mend, or the reason says it all. */
  readonly fix: string | null;
}

export function finding(
  name: string,
  verdict: Verdict,
  reason: string,
  fix: string | null = null,
): Finding {
  return { name, verdict, reason, fix };
}
