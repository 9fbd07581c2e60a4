/** Sizes in configuration: an integer of bytes, or a number with a unit. */

import { notationHint } from './number-notation.js';
import { rangePattern } from './range-pattern.js';

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['B', 1n],
  ['KiB', 1n << 10n],
  ['MiB', 1n << 20n],
  ['GiB', 1n << 30n],
  ['TiB', 1n << 40n],
  ['PiB', 1n << 50n],
  ['KB', 1_000n],
  ['MB', 1_000_000n],
  ['GB', 1_000_000_000n],
  ['TB', 1_000_000_000_000n],
  ['PB', 1_000_000_000_000_000n],
]);

export const SIZE_EXPECTED = 'a size in bytes such as 512, 64KiB or 1GiB (KB, MB, GB are decimal)';

/** Matches the sizes of a range, as {@link parseSize} takes them; for the JSON Schema. */
export function sizePattern(least: bigint, most: bigint): string {
  const shapes = [...UNITS].flatMap(([unit, factor]) => {
    const [from, to] = [(least + factor - 1n) / factor, most / factor];
    if (from > to) return [];
    return [
      `${rangePattern(from, to)} ?${unit}`,
      ...(unit === 'B' ? [rangePattern(from, to)] : []),
    ];
  });
  return `^(?:${shapes.join('|')})$`;
}

/** The bytes, or undefined when the text is no size. */
export function parseSize(text: string): bigint | undefined {
  const match = /^(0|[1-9][0-9]{0,19})(?: ?([A-Za-z]+))?$/.exec(text);
  if (match === null) return undefined;
  const [, digits = '', unit = 'B'] = match;
  const factor = UNITS.get(unit);
  return factor === undefined ? undefined : BigInt(digits) * factor;
}

/** Why the text is no size, for the end of an error message; empty when there is nothing to add. */
export function sizeHint(text: string): string {
  const [, zeros = '', digits = '', unit] = /^(0*)([0-9]+) ?([A-Za-z]+)$/.exec(text) ?? [];
  if (unit !== undefined) {
    // Not taken as it is: who writes `1gb` may mean GB or GiB, and shall see which it would be.
    const near = [...UNITS.keys()].find((name) => name.toLowerCase() === unit.toLowerCase());
    const tail = zeros === '' ? '' : ', without leading zeros';
    if (near !== undefined) return `write "${digits}${near}"${tail}`;
    if (/^[kmgtp]i?$/i.test(unit)) {
      return `write "${digits}${unit.charAt(0).toUpperCase()}iB" for powers of 1024`;
    }
    return `unknown unit "${unit}"`;
  }
  if (/^[0-9]*\.[0-9]+[ A-Za-z]*$/.test(text)) return 'fractions are not allowed';
  if (text.startsWith('-')) return 'it must not be negative';
  return notationHint(text);
}

/** The shortest exact spelling: 1073741824 → `1GiB`. */
export function formatSize(bytes: bigint): string {
  for (const unit of ['PiB', 'TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const factor = UNITS.get(unit) ?? 1n;
    if (bytes >= factor && bytes % factor === 0n) return `${String(bytes / factor)}${unit}`;
  }
  return bytes.toString();
}
