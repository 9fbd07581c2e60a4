/** The command line: sub-commands, options, exit status (0 success, 1 failure, 2 wrong usage). */

import { Command, CommanderError } from 'commander';
import { TargetError } from '../errors.js';
import { type Terminal, processTerminal, red } from './terminal.js';
import { packageVersion } from './version.js';

const USAGE_STATUS = 2;
const CONFIG_DEFAULT = './config.yaml';

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
    terminal.error(`${red('capsuled: error:', terminal)} ${thrown.message}\n`);
    return 1;
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

  return program;
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
