/**
 * What one behaviour is: a script for the guest, the configuration of the daemon it talks to, and
 * what the outer machine does meanwhile.
 *
 * A behaviour `x` is `behaviours/x.sh`. Beside it may lie `x.yaml`, its configuration (else
 * `default.yaml`), and `x.ts`, whose `outer` actions the script calls with `outer NAME`. The
 * script's comment header says what it shows and may hold lines of the form `# key: value`:
 *
 *   needs: capsuled   not tied to NVMe alone: skipped against another target
 *   runner: qemu      only there
 *   target: guest     the daemon runs in the guest too, from `daemon_start` to `daemon_stop`
 *   smp: 4            processors of the guest (QEMU; User-Mode Linux has one)
 *   drives: yes       QEMU with an IOMMU and two NVMe drives: TB0 with a namespace of 512-byte
 *                     blocks and one of 4 KiB, and TB1; `outer.guest.qmp()` plugs them
 *   timeout: 90       seconds, under User-Mode Linux (60)
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outer } from './outer.js';

export type RunnerKind = 'uml' | 'qemu';

/** Answers the guest; a returned text is what `outer NAME` prints there, a throw fails it. */
export type OuterAction = (
  outer: Outer,
  ...args: string[]
) => Promise<string | undefined> | string | undefined;

/** The default export of a `behaviours/x.ts`. */
export interface OuterSide {
  readonly actions: Readonly<Record<string, OuterAction>>;
  /** Runs once the guest has ended, while the target still lives. */
  readonly afterwards?: (outer: Outer) => Promise<void>;
  /** The guest is killed by an action and gives no status. */
  readonly guestIsKilled?: boolean;
}

export interface Behaviour {
  readonly name: string;
  readonly summary: string;
  readonly scriptPath: string;
  readonly configText: string;
  readonly outerSideUrl: URL | undefined;
  readonly needsCapsuled: boolean;
  readonly runner: RunnerKind | undefined;
  /** The daemon runs in the guest, beside its host. */
  readonly inGuest: boolean;
  readonly smp: number;
  readonly hasDrives: boolean;
  readonly timeoutSeconds: number;
}

const timeoutSecondsDefault = 60;

/** Reads the behaviours of a source folder; `compiled` is where tsc put their outer sides. */
export function readBehaviours(folder: string, compiled: URL): Behaviour[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sh'))
    .sort()
    .map((file) => readBehaviour(folder, file.slice(0, -'.sh'.length), compiled));
}

function readBehaviour(folder: string, name: string, compiled: URL): Behaviour {
  const scriptPath = join(folder, `${name}.sh`);
  const header = readHeader(readFileSync(scriptPath, 'utf8'));
  const own = join(folder, `${name}.yaml`);
  const hasDrives = header.keys.get('drives') === 'yes';
  const runner = hasDrives ? 'qemu' : header.keys.get('runner');
  if (runner !== undefined && runner !== 'qemu' && runner !== 'uml') {
    throw new Error(`expected qemu or uml for \`runner\` in ${scriptPath}, got ${runner}`);
  }
  const target = header.keys.get('target');
  if (target !== undefined && target !== 'guest') {
    throw new Error(`expected guest for \`target\` in ${scriptPath}, got ${target}`);
  }
  return {
    name,
    summary: header.summary,
    scriptPath,
    configText: readFileSync(existsSync(own) ? own : join(folder, 'default.yaml'), 'utf8'),
    outerSideUrl: existsSync(join(folder, `${name}.ts`))
      ? new URL(`${name}.js`, compiled)
      : undefined,
    needsCapsuled: header.keys.get('needs') === 'capsuled',
    runner,
    inGuest: target === 'guest',
    hasDrives,
    smp: Number(header.keys.get('smp') ?? 1),
    timeoutSeconds: Number(header.keys.get('timeout') ?? timeoutSecondsDefault),
  };
}

function readHeader(text: string): { summary: string; keys: Map<string, string> } {
  const keys = new Map<string, string>();
  const sentences: string[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('#')) break;
    const comment = line.replace(/^#!?\s?/, '');
    const key = /^(needs|runner|target|smp|drives|timeout): (\S+)$/.exec(comment);
    if (key?.[1] !== undefined && key[2] !== undefined) keys.set(key[1], key[2]);
    else sentences.push(comment);
  }
  const summary = /^.*?\.(?=\s|$)/.exec(sentences.join(' '))?.[0] ?? sentences.join(' ');
  return { summary: summary.trim(), keys };
}
