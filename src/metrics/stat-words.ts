/** Sums of the engine's statistics arrays, by the names of their words. */

/** Adds up one word over reactors. */
export function sumWord(arrays: readonly BigUint64Array[], index: number): number {
  let sum = 0n;
  for (const array of arrays) sum += array[index] ?? 0n;
  return Number(sum);
}

/** The words of each operation, added up over reactors. */
export interface OperationWords {
  readonly operation: string;
  readonly words: Readonly<Record<string, number>>;
  /** What follows the words: a histogram, or nothing. Added up only when asked for. */
  readonly rest: () => number[];
}

export function operationWords(
  arrays: readonly BigUint64Array[],
  operations: readonly string[],
  names: readonly string[],
  restLength = 0,
): OperationWords[] {
  const stride = names.length + restLength;
  return operations.map((operation, position) => {
    const first = position * stride;
    const words = Object.fromEntries(
      names.map((name, offset) => [name, sumWord(arrays, first + offset)]),
    );
    const rest = () =>
      Array.from({ length: restLength }, (_, offset) =>
        sumWord(arrays, first + names.length + offset),
      );
    return { operation, words, rest };
  });
}
