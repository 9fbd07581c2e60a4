/** Prometheus text, as far as a test looks into it. */

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scraped {
  readonly text: string;
  samples(name: string, labels?: Readonly<Record<string, string>>): MetricSample[];
  /** Of all samples with these labels; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

export function parseMetrics(text: string): Scraped {
  const all = new Map<string, MetricSample[]>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const [, name = '', labelText = '', value] = match;
    const labels = Object.fromEntries(
      [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, label]) => [key, label]),
    ) as Record<string, string>;
    const samples = all.get(name) ?? [];
    samples.push({ labels, value: Number(value) });
    all.set(name, samples);
  }
  const samples: Scraped['samples'] = (name, labels = {}) =>
    (all.get(name) ?? []).filter((sample) =>
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  const sum: Scraped['sum'] = (name, labels) =>
    samples(name, labels).reduce((total, { value }) => total + value, 0);
  return { text, samples, sum };
}
