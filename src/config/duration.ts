/** Times in configuration: a number with a unit. */

import { isDecimal, notationHint } from './number-notation.js';
import { rangePattern } from './range-pattern.js';

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1_000],
  ['µs', 1_000],
  ['ms', 1_000_000],
  ['s', 1_000_000_000],
  ['m', 60_000_000_000],
  ['h', 3_600_000_000_000],
]);

/** What a time is read as that has no end. */
export const NEVER = -1;

export const PATIENCE_EXPECTED = 'a time with its unit such as 60s, or never';

export const DURATION_EXPECTED = 'a time with its unit such as 50us, 10ms or 2s';

/** Matches the times of a range, ns, as {@link parseDuration} takes them; for the JSON Schema. */
export function durationPattern(least: number, most: number): string {
  const shapes = [...UNITS].flatMap(([unit, factor]) => {
    const [from, to] = [Math.ceil(least / factor), Math.floor(most / factor)];
    return from > to ? [] : [`${rangePattern(BigInt(from), BigInt(to))} ?${unit}`];
  });
  return `^(?:${[...(least === 0 ? ['0'] : []), ...shapes].join('|')})$`;
}

/** Nanoseconds, or undefined when the text is no time. `0` needs no unit. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(0|[1-9][0-9]{0,14}) ?([a-zµ]+)$/.exec(text);
  if (match === null) return undefined;
  const [, digits = '', unit = ''] = match;
  const factor = UNITS.get(unit);
  if (factor === undefined) return undefined;
  const nanoseconds = Number(digits) * factor;
  return Number.isSafeInteger(nanoseconds) ? nanoseconds : undefined;
}

/** Why the text is no time, for the end of an error message; empty when there is nothing to add. */
export function durationHint(text: string): string {
  if (isDecimal(text)) return `the unit is missing: write "${text}us", "${text}ms" or "${text}s"`;
  const [, zeros = '', digits = '', unit] = /^(0*)([0-9]+) ?([A-Za-zµ]+)$/.exec(text) ?? [];
  if (unit !== undefined && (zeros !== '' || !UNITS.has(unit))) {
    const lower = unit.toLowerCase();
    const tail = zeros === '' ? '' : ', without leading zeros';
    return UNITS.has(lower) ? `write "${digits}${lower}"${tail}` : `unknown unit "${unit}"`;
  }
  if (/^[0-9]*\.[0-9]+[ A-Za-zµ]*$/.test(text)) return 'fractions are not allowed';
  return notationHint(text);
}

/** The shortest exact spelling: 50000 → `50us`. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0';
  for (const unit of ['s', 'ms', 'us'] as const) {
    const factor = UNITS.get(unit) ?? 1;
    if (nanoseconds >= factor && nanoseconds % factor === 0) {
      return `${String(nanoseconds / factor)}${unit}`;
    }
  }
  return `${String(nanoseconds)}ns`;
}

/** As {@link parseDuration}, and `never`. */
export function parsePatience(text: string): number | undefined {
  return text === 'never' ? NEVER : parseDuration(text);
}

export function formatPatience(nanoseconds: number): string {
  return nanoseconds === NEVER ? 'never' : formatDuration(nanoseconds);
}
