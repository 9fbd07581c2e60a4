/** Probabilities in configuration: a number from 0 to 1. */

export const PROBABILITY_EXPECTED = 'a probability from 0 to 1 such as 0.01';

/** What 1 is read as: parts of a billion. */
export const CERTAIN = 1_000_000_000;

/** Matches what {@link parseProbability} takes from a text; for the JSON Schema. */
export const PROBABILITY_PATTERN = '^(?:0(?:\\.[0-9]{1,9})?|1(?:\\.0{1,9})?)$';

/** Parts of a billion, or undefined when the text is no probability. */
export function parseProbability(text: string): number | undefined {
  if (!new RegExp(PROBABILITY_PATTERN).test(text)) return undefined;
  const [whole = '', fraction = ''] = text.split('.');
  return Number(whole) * CERTAIN + Number(fraction.padEnd(9, '0'));
}

/** Why the text is no probability, for the end of an error message; empty if nothing is known. */
export function probabilityHint(text: string): string {
  const [, percent] = /^([0-9]+(?:\.[0-9]+)?) ?%$/.exec(text) ?? [];
  const meant = percent === undefined ? Number(text) : Number(percent) / 100;
  if (Number.isNaN(meant) || meant < 0 || meant > 1) return '';
  const parts = Math.round(meant * CERTAIN);
  if (parts === 0 && meant > 0) return 'the least is 0.000000001';
  return `write ${formatProbability(parts)}`;
}

/** The shortest spelling: 10000000 → 0.01. */
export function formatProbability(parts: number): number {
  return parts / CERTAIN;
}
