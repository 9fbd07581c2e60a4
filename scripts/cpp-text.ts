/** What the house rules read out of C++ text without a parser. */

/** Comments, then string and character literals; a quote between digits is no literal. */
const commentsAndLiterals = new RegExp(
  [
    /\/\/[^\n]*/,
    /\/\*[\s\S]*?\*\//,
    /R"\(([\s\S]*?)\)"/,
    /"(?:\\.|[^"\\\n])*"/,
    /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);

/** Blanks out comments and literals, keeping every line where it was. */
export function withoutComments(text: string): string {
  return text.replace(commentsAndLiterals, (matched) => matched.replace(/[^\n]/g, ' '));
}

/** 1-based. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

export interface StateEnum {
  /** With the class that it is declared in. */
  readonly name: string;
  readonly members: readonly string[];
  /** 1-based. */
  readonly line: number;
}

/** The enums that say the states of a machine: those named State or …State. */
export function stateEnums(text: string): StateEnum[] {
  const code = withoutComments(text);
  return Array.from(code.matchAll(/^( *)enum class (\w*State)\b[^{;]*\{([^}]*)\}/gm), (match) => {
    const [, indent = '', own = '', body = ''] = match;
    const classes = Array.from(code.slice(0, match.index).matchAll(/^(?:class|struct) (\w+)/gm));
    const outer = indent === '' ? undefined : classes.at(-1)?.[1];
    return {
      name: outer === undefined ? own : `${outer}::${own}`,
      members: Array.from(body.matchAll(/([A-Za-z_]\w*)\s*(?:=[^,]*)?(?:,|$)/g), (m) => m[1] ?? ''),
      line: lineOf(code, match.index),
    };
  });
}
