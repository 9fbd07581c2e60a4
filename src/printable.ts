/**
 * Text that others chose, made safe to print: in the log, in errors, on terminals. What would move
 * a cursor, change the direction of writing, or not be seen becomes `\u{…}`.
 */

/**
 * Control characters (C0, DEL, C1), formatting ones (bidirectional marks, zero widths, byte order
 * marks, tags), separators of lines, halves of surrogate pairs, and code points of nobody.
 */
const unprintableClass = '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Cn}\\p{Zl}\\p{Zp}';
const unprintable = new RegExp(`[${unprintableClass}]`, 'gu');

/** Replaces what was no UTF-8. */
const replacement = '\ufffd';

/** What {@link isPrintable} refuses, as part of a character class of a Unicode pattern. */
export const foreignClass = `${unprintableClass}\\ufffd`;

/** An NQN has at most 223 bytes. */
const lengthMax = 256;

export function printable(text: string): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
  return cut.replace(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Whether {@link printable} would leave the text as it is, and it came as UTF-8. */
export function isPrintable(text: string): boolean {
  return !text.includes(replacement) && text.search(unprintable) < 0;
}
