/** The command line: sub-commands, options, exit status (0 success, 1 failure, 2 wrong usage). */

import { Command, CommanderError } from 'commander';
import { TargetError } from '../errors.js';
import { printableLine } from '../printable.js';
import type { AdminWords } from './admin-client.js';
import type { ApplyWords } from './apply.js';
import type { DeviceWords } from './device.js';
import type { DoctorWords } from './doctor.js';
import type { PerfWords } from './perf-options.js';
import { type Terminal, processTerminal, red } from './terminal.js';
import { packageVersion } from './version.js';

const USAGE_STATUS = 2;
const CONFIG_DEFAULT = './config.yaml';
const SERVER_HELP = 'http://ADDRESS:PORT of the daemon (admin.listen of the file)';
/** The token that the file names is sent to the address that it names, and nowhere else. */
const TOKEN_FILE_HELP =
  'file with the token of the daemon (admin.token_file; with --server none, unless given here)';

export async function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal,
): Promise<number> {
  let status = 0;
  const program = createProgram(terminal, (code) => {
    status = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : USAGE_STATUS;
    if (!(thrown instanceof TargetError)) throw thrown;
    terminal.error(`${red('capsuled: error:', terminal)} ${printableLine(thrown.message)}\n`);
    return thrown.code === 'argument_invalid' ? USAGE_STATUS : 1;
  }
}

function createProgram(terminal: Terminal, setStatus: (status: number) => void): Command {
  const program = new Command('capsuled')
    .description('An NVMe-over-TCP target: exports block devices to hosts that run nvme connect.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.error })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', '\nExit status: 0 success, 1 failure, 2 wrong usage.');

  program
    .command('serve')
    .description(
      'Run the daemon in the foreground. SIGTERM and SIGINT drain and stop (a second one: at once), SIGHUP reloads.',
    )
    .option('--config <file>', 'configuration file', CONFIG_DEFAULT)
    .option('--check', 'validate the configuration and exit')
    .action(async ({ config, check }: { config: string; check?: true }) => {
      setStatus(
        check === true ? await runCheck(config, terminal) : await runServe(config, terminal),
      );
    });

  program
    .command('check')
    .description(
      'Validate a configuration: every error with file:line:column. Status 1 if invalid.',
    )
    .option('--config <file>', 'configuration file', CONFIG_DEFAULT)
    .option('--json', 'print the issues as JSON')
    .action(async ({ config, json }: { config: string; json?: true }) => {
      setStatus(await runCheck(config, terminal, json === true ? 'json' : 'text'));
    });

  addChanges(program, terminal, setStatus);

  program
    .command('acknowledge')
    .argument('<bdev>', 'its name')
    .description(
      'Take note of what a block device has lost: it is looked at again and, if it is well, serves again.',
    )
    .option('--config <file>', 'the daemon’s configuration, for address and token', CONFIG_DEFAULT)
    .option('--server <url>', SERVER_HELP)
    .option('--token-file <file>', TOKEN_FILE_HELP)
    .action(async (bdev: string, words: AdminWords) => {
      const { acknowledge } = await import('./acknowledge.js');
      setStatus(await acknowledge(bdev, words, terminal));
    });

  program
    .command('perf')
    .argument(
      '<target>',
      'tcp://ADDRESS:PORT/NQN[?nsid=N], pcie://0000:01:00.0[?nsid=N] or bdev:KIND?key=value&…',
    )
    .description(
      'Put load on an NVMe/TCP target, ours or not, on a local drive or on a bdev, and say how fast it answered. Writes destroy what is there.',
    )
    .option('--rw <access>', 'read, write, randread, randwrite, rw or randrw', 'randread')
    .option('--read-percent <n>', 'reads among a hundred I/Os of rw and randrw (50)')
    .option('--bs <size>', 'bytes of each I/O; several with weights: 4KiB:70,128KiB:30', '4KiB')
    .option('--qd <n>', 'I/Os outstanding on each queue', '32')
    .option('--qpairs <n>', 'I/O queues', '1')
    .option('--time <time>', 'how long to measure', '10s')
    .option('--warm-up <time>', 'load that is not measured, before', '500ms')
    .option('--count <n>', 'end after so many I/Os')
    .option('--rate <iops>', 'no more than so many I/Os a second')
    .option('--verify', 'check each block that this run has written, and all of them at the end')
    .option('--region <size>', 'the part of the namespace that is used')
    .option('--offset <size>', 'where the part begins')
    .option('--header-digest', 'CRC32C over headers')
    .option('--data-digest', 'CRC32C over data')
    .option('--reconnect <time>', 'end all connections every so often, with I/O outstanding')
    .option('--cores <list>', 'one worker pinned to each: 1 or 1,2,3 (one worker, not pinned)')
    .option('--poll <mode>', 'busy, adaptive or interrupt', 'busy')
    .option('--seed <n>', 'of places and contents (another one each run)')
    .option('--hostnqn <nqn>', 'the host’s name (a random one)')
    .option('--allow <what>', 'data-loss: write to a drive or file of this machine')
    .option('--json', 'print the report as JSON')
    .action(async (target: string, words: PerfWords) => {
      const { perf } = await import('./perf.js');
      setStatus(await perf(target, words, terminal));
    });

  addDevice(program, terminal, setStatus);
  addDoctor(program, terminal, setStatus);
  return program;
}

/** The commands about the NVMe devices of this machine. */
function addDevice(
  program: Command,
  terminal: Terminal,
  setStatus: (status: number) => void,
): void {
  const device = program
    .command('device')
    .description('NVMe devices of this machine: which there are, and giving them to the daemon.');

  device
    .command('list')
    .description('Say which there are, which driver has each, and who uses it.')
    .option('--json', 'print them as JSON')
    .action(async (words: DeviceWords) => {
      const { listDevices } = await import('./device.js');
      setStatus(await listDevices(words, terminal));
    });

  device
    .command('status')
    .argument('<address>', 'such as 0000:01:00.0')
    .description('Say all that is known of one.')
    .option('--json', 'print it as JSON')
    .action(async (address: string, words: DeviceWords) => {
      const { showDevice } = await import('./device.js');
      setStatus(await showDevice(address, words, terminal));
    });

  device
    .command('bind')
    .argument('<address...>', 'such as 0000:01:00.0')
    .description(
      'Take devices from the kernel and give them to vfio-pci, for bdevs of kind nvme. What is in use is refused.',
    )
    .option(
      '--dry-run',
      'look whether it could be done, print what would be written, write nothing',
    )
    .action(async (addresses: string[], words: DeviceWords) => {
      const { bindDevices } = await import('./device.js');
      setStatus(await bindDevices(addresses, words, terminal));
    });

  device
    .command('unbind')
    .argument('<address...>', 'such as 0000:01:00.0')
    .description('Give devices back to the driver that they had.')
    .option(
      '--dry-run',
      'look whether it could be done, print what would be written, write nothing',
    )
    .action(async (addresses: string[], words: DeviceWords) => {
      const { unbindDevices } = await import('./device.js');
      setStatus(await unbindDevices(addresses, words, terminal));
    });
}

function addDoctor(
  program: Command,
  terminal: Terminal,
  setStatus: (status: number) => void,
): void {
  program
    .command('doctor')
    .description(
      'Look at what this machine has of what the daemon needs. Changes nothing. Status 1 if something is missing.',
    )
    .option('--config <file>', 'configuration that it is held against', CONFIG_DEFAULT)
    .option('--json', 'print what was found as JSON')
    .action(async (words: DoctorWords, command: Command) => {
      const { doctor } = await import('./doctor.js');
      const isConfigGiven = command.getOptionValueSource('config') !== 'default';
      setStatus(await doctor({ ...words, isConfigGiven }, terminal));
    });
}

/** The commands that have a daemon take its file. */
function addChanges(
  program: Command,
  terminal: Terminal,
  setStatus: (status: number) => void,
): void {
  addApply(
    program,
    'plan',
    'Say what `capsuled apply` would do, and what hosts would notice of it.',
  ).action(async (words: ApplyWords, command: Command) => {
    const { apply } = await import('./apply.js');
    setStatus(await apply({ ...withSource(words, command), dryRun: true }, terminal));
  });

  addApply(
    program,
    'apply',
    'Have the running daemon take its configuration file as it is now, as SIGHUP does, with permission.',
  )
    .option('--dry-run', 'say what would be done, do nothing')
    .option(
      '--allow <what...>',
      'disconnect: take things from connected hosts; data-loss: destroy RAM disks, and deleted files',
    )
    .action(async (words: ApplyWords, command: Command) => {
      const { apply } = await import('./apply.js');
      setStatus(await apply(withSource(words, command), terminal));
    });
}

function withSource(words: ApplyWords, command: Command): ApplyWords {
  return { ...words, isConfigGiven: command.getOptionValueSource('config') !== 'default' };
}

/** What the commands that ask a daemon have in common. */
function addApply(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--config <file>',
      'configuration file of the daemon, which must be the one that it reads; names address and token',
      CONFIG_DEFAULT,
    )
    .option('--server <url>', SERVER_HELP)
    .option('--token-file <file>', TOKEN_FILE_HELP)
    .option('--json', 'print the report as JSON');
}

async function runCheck(
  file: string,
  terminal: Terminal,
  format: 'text' | 'json' = 'text',
): Promise<number> {
  const { check } = await import('./check.js');
  return check(file, terminal, format);
}

async function runServe(file: string, terminal: Terminal): Promise<number> {
  const { serve } = await import('./serve.js');
  return serve(file, terminal);
}
