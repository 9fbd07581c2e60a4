/** Waiting for what may never come. */

import type { Clock } from './target-options.js';

/** Ends as `work` does, or rejects with what `late` makes when the deadline is earlier. */
export function inTime<T>(
  clock: Clock,
  deadlineMs: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(deadlineMs, () => {
      reject(late());
    });
    work.finally(cancel).then(resolve, reject);
  });
}
