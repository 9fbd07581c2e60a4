/**
 * Reads what `valgrind --tool=callgrind` writes: how many instructions each function spent on each
 * of the files that its code comes from (its own, and those of what was put in line).
 *
 * The profile must have been written with --compress-strings=no --compress-pos=no.
 */

export interface Cost {
  /** The program or library, as a path. */
  readonly object: string;
  /** As in the source, with namespaces and arguments. */
  readonly function: string;
  readonly file: string;
  /** Without those of the functions it called. */
  readonly instructions: number;
}

export function parseProfile(text: string): Cost[] {
  const sums = new Map<string, Cost>();
  let [object, name, file] = ['', '', ''];
  let isCall = false;
  for (const line of text.split('\n')) {
    const [key = '', value = ''] = splitOnce(line);
    if (key === 'ob') object = value;
    else if (key === 'fn') name = withoutCycle(value);
    else if (key === 'fl' || key === 'fi' || key === 'fe') file = value;
    else if (key === 'calls') isCall = true;
    else if (/^\d+ \d+$/.test(line)) {
      // The line after calls= says what the called function cost, which is counted there.
      if (!isCall) {
        const place = [object, name, file].join('\n');
        const before = sums.get(place)?.instructions ?? 0;
        const instructions = before + Number(line.split(' ')[1]);
        sums.set(place, { object, function: name, file, instructions });
      }
      isCall = false;
    }
  }
  return [...sums.values()];
}

function splitOnce(line: string): string[] {
  const at = line.indexOf('=');
  return at < 0 ? [] : [line.slice(0, at), line.slice(at + 1)];
}

/** Callgrind numbers the functions of a recursion: `f'2`. */
function withoutCycle(name: string): string {
  return name.replace(/'\d+$/, '');
}
