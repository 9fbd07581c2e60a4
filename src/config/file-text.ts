/**
 * From the bytes of a configuration file to its text.
 *
 * Only UTF-8 is taken. A byte that is no UTF-8 would become another character, and a path with it
 * would name another file.
 */

import { isUtf8 } from 'node:buffer';

/** Why the bytes are no text, and where. */
export interface TextFault {
  /** 1-based; the column is in characters. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const REPLACEMENT = '\ufffd';
const REPLACEMENT_BYTES = 3;

/** The text, or what is wrong with the first byte that is no text. */
export function decodeText(bytes: Buffer): string | TextFault {
  if (bytes.length > 0 && bytes.every((byte) => byte === 0)) {
    const message =
      'expected YAML, got nothing but zero bytes, as a file may be left by a power cut; ' +
      'take it from a backup';
    return { line: 1, column: 1, message };
  }
  const wide = wideEncoding(bytes);
  if (wide !== undefined) {
    return { line: 1, column: 1, message: `expected UTF-8, got ${wide}; save the file as UTF-8` };
  }
  const text = bytes.toString('utf8');
  if (!isUtf8(bytes)) return invalidByte(bytes, text);
  return controlCharacter(text) ?? text;
}

/** The name of an encoding with two or four bytes for each character, by its mark or its zeros. */
function wideEncoding(bytes: Buffer): string | undefined {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe) return third === 0 && fourth === 0 ? 'UTF-32' : 'UTF-16';
  if (first === 0xfe && second === 0xff) return 'UTF-16';
  // YAML begins with an ASCII character, which has zeros beside it in UTF-16 and UTF-32.
  if (first === 0 && second === 0) return third === 0 && fourth !== 0 ? 'UTF-32' : undefined;
  if (second === 0) return third === 0 && fourth === 0 ? 'UTF-32' : 'UTF-16';
  return first === 0 ? 'UTF-16' : undefined;
}

function invalidByte(bytes: Buffer, text: string): TextFault {
  let offset = 0;
  let index = 0;
  for (const character of text) {
    const isReal =
      bytes.toString('latin1', offset, offset + REPLACEMENT_BYTES) === '\u00ef\u00bf\u00bd';
    if (character === REPLACEMENT && !isReal) break;
    offset += Buffer.byteLength(character);
    index += character.length;
  }
  const byte = bytes[offset] ?? 0;
  const hexadecimal = byte.toString(16).toUpperCase().padStart(2, '0');
  // Below 0xa0, Latin-1 has control characters, which nobody means.
  const latin1 = byte >= 0xa0 ? ` ("${String.fromCharCode(byte)}" in Latin-1)` : '';
  return {
    ...placeOf(text, index),
    message:
      `expected UTF-8, got the byte 0x${hexadecimal}${latin1} at offset ${String(offset)}; ` +
      'save the file as UTF-8',
  };
}

/** YAML has no control characters but tab, line feed, carriage return and next line. */
function controlCharacter(text: string): TextFault | undefined {
  // eslint-disable-next-line no-control-regex
  const index = text.search(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f]/);
  if (index < 0) return undefined;
  const code = text.charCodeAt(index).toString(16).toUpperCase().padStart(4, '0');
  return { ...placeOf(text, index), message: `expected text, got the control character U+${code}` };
}

function placeOf(text: string, index: number): { line: number; column: number } {
  const before = text.slice(0, index).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}
