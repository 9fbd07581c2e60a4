/** Waits with an end: a test that hangs says for what. */

export const waitMsMax = 15_000;

/** Settles as `promise` does, or rejects when it takes too long. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  milliseconds = waitMsMax,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`expected ${what} within ${milliseconds} ms`));
    }, milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Looks until `look` answers something; for what cannot be awaited, such as another process's
 * counters.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  milliseconds = waitMsMax,
): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`expected ${what} within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
