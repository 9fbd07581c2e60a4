/** Starts a load run of the engine. Thread: JavaScript's; the load has threads of its own. */

import { loadAddon, targetError } from './addon.js';
import type { LoadOptions, LoadProgress, LoadReport, LoadRun } from './load-types.js';

interface NativeLoad {
  run(): Promise<LoadReport>;
  stop(): void;
  progress(): LoadProgress;
}

type NativeLoadClass = new (options: LoadOptions) => NativeLoad;

export function startLoad(options: LoadOptions): LoadRun {
  const NativeLoad = loadAddon()['NativeLoad'] as NativeLoadClass;
  const native = new NativeLoad(options);
  return {
    report: native.run().catch((thrown: unknown) => {
      throw targetError(thrown, 'platform_unsupported');
    }),
    stop: () => {
      native.stop();
    },
    progress: () => native.progress(),
  };
}
