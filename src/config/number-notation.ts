/**
 * How a number may be written: in decimal digits, without leading zeros.
 *
 * Readers of YAML differ in everything else. `010` is 8 to some and 10 to others, `1_000` is a
 * number to some and a word to others.
 */

const DECIMAL = /^-?(?:0|[1-9][0-9]*)$/;

export function isDecimal(source: string): boolean {
  return DECIMAL.test(source);
}

/** What to write instead, for the end of an error message; empty when that is not known. */
export function notationHint(source: string): string {
  if (/^-?0[0-9]+$/.test(source)) {
    return `write ${decimal(source)}, without leading zeros`;
  }
  if (/^0x[0-9a-f]+$/i.test(source) || /^0o[0-7]+$/.test(source)) {
    return `write it in decimal: ${decimal(source)}`;
  }
  if (/^\+[0-9]+$/.test(source)) return `write ${decimal(source.slice(1))}, without "+"`;
  if (/^[0-9]+(?:_[0-9]+)+$/.test(source)) {
    return `write ${decimal(source.replaceAll('_', ''))}, without "_"`;
  }
  if (!/^[-+]?[0-9.]+(?:e[-+]?[0-9]+)?$/i.test(source) || isDecimal(source)) return '';
  const value = Number(source);
  return Number.isSafeInteger(value) ? `write ${String(value)}` : 'fractions are not allowed';
}

function decimal(source: string): string {
  const digits = source.startsWith('-') ? source.slice(1) : source;
  return `${digits === source ? '' : '-'}${BigInt(digits).toString()}`;
}
