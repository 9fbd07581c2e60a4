/**
 * How often each piece of the source ran, as V8 counts it: work in steps, which is the same however
 * busy the machine is. Loops inside of the language's own functions (`includes`, a spread) are not
 * seen; their callbacks are.
 */

import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';

/** Steps by place: a function, or the block in it that ran most often. */
export type Steps = ReadonlyMap<string, number>;

/** What four times as much may cost: sorting costs a little more than four times as much. */
const FACTOR_MAX = 7;
/** What costs less is no matter. */
const STEPS_MIN = 500;

// Before anything is compiled that is to be counted: import this file first. Calls of optimized
// functions are not counted.
setFlagsFromString('--no-opt');
setFlagsFromString('--no-maglev');
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

export async function countSteps(work: () => unknown): Promise<Steps> {
  await session.post('Profiler.takePreciseCoverage');
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const steps = new Map<string, number>();
  for (const { url, functions } of result) {
    const file = /\/(dist\/src|node_modules\/yaml)\/.*$/.exec(url)?.[0];
    if (file === undefined) continue;
    for (const { functionName, ranges } of functions) {
      const place = `${file} ${functionName} ${ranges[0]?.startOffset ?? 0}`;
      steps.set(place, Math.max(...ranges.map(({ count }) => count)));
    }
  }
  return steps;
}

/** Places that ran more often than in proportion, when there was four times as much to do. */
export function overgrown(once: Steps, fourTimes: Steps): string[] {
  return [...fourTimes]
    .filter(([place, count]) => {
      const before = once.get(place) ?? 0;
      return count > STEPS_MIN && count > before * FACTOR_MAX;
    })
    .map(([place, count]) => `${place}: ${once.get(place) ?? 0} → ${count}`);
}
