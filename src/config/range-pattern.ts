/** Regular expressions for the decimal numbers of a range, for the JSON Schema. */

/** Matches the numbers from `least` to `most`, written without leading zeros; not anchored. */
export function rangePattern(least: bigint, most: bigint): string {
  const parts: string[] = [];
  for (let from = least; from <= most;) {
    const nines = BigInt('9'.repeat(from.toString().length));
    const to = nines < most ? nines : most;
    parts.push(...sameLength(from.toString(), to.toString()));
    from = to + 1n;
  }
  return `(?:${parts.join('|')})`;
}

/** Alternatives for a range of numbers that all have as many digits. */
function sameLength(from: string, to: string): string[] {
  const rest = from.length - 1;
  if (/^0*$/.test(from) && /^9*$/.test(to)) return [digits(from.length)];
  const first = from.charAt(0);
  const last = to.charAt(0);
  const inner = (left: string, right: string): string =>
    rest === 0 ? '' : group(sameLength(left, right));
  if (first === last) return [first + inner(from.slice(1), to.slice(1))];
  const parts: string[] = [];
  let low = Number(first);
  let high = Number(last);
  if (!/^0*$/.test(from.slice(1))) {
    parts.push(first + inner(from.slice(1), '9'.repeat(rest)));
    low++;
  }
  const isHighWhole = /^9*$/.test(to.slice(1));
  if (!isHighWhole) high--;
  if (low <= high) parts.push(oneOf(low, high) + digits(rest));
  if (!isHighWhole) parts.push(last + inner('0'.repeat(rest), to.slice(1)));
  return parts;
}

function group(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] ?? '') : `(?:${parts.join('|')})`;
}

function oneOf(low: number, high: number): string {
  return low === high ? String(low) : `[${String(low)}-${String(high)}]`;
}

function digits(count: number): string {
  return count === 0 ? '' : count === 1 ? '[0-9]' : `[0-9]{${String(count)}}`;
}
