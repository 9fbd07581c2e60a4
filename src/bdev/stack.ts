/** How bdevs stand on each other. */

import type { BdevParameters } from '../engine/engine-types.js';
import { basesOf } from './kinds.js';

/** Bdevs on top of each other, at most; as the engine has it. */
export const stackDepthMax = 8;

/** Those that others stand on first, else in the order that they had. */
export function basesFirst<T>(items: readonly T[], bdevOf: (item: T) => BdevParameters): T[] {
  return levels(items, bdevOf).flat();
}

/**
 * In groups: what is in one stands on what is in earlier ones, or on nothing that is among them.
 */
export function levels<T>(items: readonly T[], bdevOf: (item: T) => BdevParameters): T[][] {
  const levelOf = new Map(items.map((item) => [bdevOf(item).name, 0]));
  // A round for each bdev that may stand on another: more than there are change nothing.
  for (let round = 1; round < stackDepthMax; round += 1) {
    for (const item of items) {
      const bdev = bdevOf(item);
      const below = basesOf(bdev).map((name) => levelOf.get(name) ?? -1);
      levelOf.set(bdev.name, 1 + Math.max(-1, ...below));
    }
  }
  const groups: T[][] = [];
  for (const item of items) (groups[levelOf.get(bdevOf(item).name) ?? 0] ??= []).push(item);
  return groups.filter((group) => (group as T[] | undefined) !== undefined);
}

/**
 * Those that stand on more than {@link stackDepthMax} - 1 others below each other, or on
 * themselves. In time that grows with the number of bdevs alone, whatever they say.
 */
export function tooHigh(basesByName: ReadonlyMap<string, readonly string[]>): Set<string> {
  const heights = new Map<string, number>();
  for (let round = 0; round <= stackDepthMax; round += 1) {
    for (const [name, bases] of basesByName) {
      const below = bases.map((base) => heights.get(base) ?? 0);
      heights.set(name, Math.min(1 + Math.max(0, ...below), stackDepthMax + 1));
    }
  }
  return new Set([...heights].filter(([, height]) => height > stackDepthMax).map(([name]) => name));
}

/** The names from `name` down and back to it; undefined: there is no such way, or it is longer. */
export function circleFrom(
  name: string,
  basesByName: ReadonlyMap<string, readonly string[]>,
): string[] | undefined {
  let ways = [[name]];
  const seen = new Set<string>();
  for (let step = 0; step < stackDepthMax; step += 1) {
    const next: string[][] = [];
    for (const way of ways) {
      for (const base of basesByName.get(way.at(-1) ?? '') ?? []) {
        if (base === name) return [...way, base];
        if (seen.has(base)) continue;
        seen.add(base);
        next.push([...way, base]);
      }
    }
    ways = next;
  }
  return undefined;
}
