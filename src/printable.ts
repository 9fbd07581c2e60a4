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

/** A name or a value: cut where it is longer than any that is meant. */
export function printable(text: string): string {
  return printableLine(text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text);
}

/**
 * All of a text, on one line. For the doors through which text leaves: what was made printable
 * before stays as it is.
 */
export function printableLine(text: string): string {
  return text.replace(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** JSON that says the same and is {@link isPrintable}, but for the ends of lines between values. */
export function printableJson(json: string): string {
  return json.replace(unprintable, (character) =>
    character === '\n'
      ? character
      : // Above FFFFh, two halves of a pair.
        character.replace(
          /[^]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        ),
  );
}

/** Whether {@link printable} would leave the text as it is, and it came as UTF-8. */
export function isPrintable(text: string): boolean {
  return !text.includes(replacement) && text.search(unprintable) < 0;
}
