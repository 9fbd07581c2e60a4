import t from 'tap';

import type { CommandEvent } from '../../../src/engine/engine-types.js';
import { invalidField } from '../../../src/subsystem/command-error.js';
import type { Logger } from '../../../src/subsystem/logger.js';
import { PendingCommand, carryOut, internalError } from '../../../src/subsystem/pending-command.js';
import { FakeEngine } from './fake-engine.js';

class Scene {
  readonly engine = new FakeEngine();
  readonly errors: string[] = [];
  readonly logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (_fields, message) => this.errors.push(message),
  };
  readonly command: PendingCommand;

  constructor() {
    const event: CommandEvent = {
      type: 'command',
      token: 9n,
      connection: 1,
      controller: 1,
      qid: 0,
      sqe: Buffer.alloc(64),
      data: null,
      dataLengthMax: 0,
    };
    this.command = new PendingCommand(this.engine, event);
  }

  run(executor: (command: PendingCommand) => Promise<void>): Promise<void> {
    return carryOut(this.command, this.logger, executor);
  }
}

const queue = {
  controller: 1,
  qid: 1,
  entries: 32,
  flowControlDisabled: true,
  table: 1,
  asynchronousEventsMax: 4,
  discovery: false,
  host: 1,
  hostIsFirst: true,
  retryDelay: 0,
};

t.test('a command is answered, refused or attached, and then done', async (t) => {
  for (const settle of [
    (command: PendingCommand): void => {
      command.answer({ status: 0, dw0: 7 });
    },
    (command: PendingCommand): void => {
      command.refuse(invalidField('wrong'));
    },
    (command: PendingCommand): void => {
      command.attach(queue, 3);
    },
  ]) {
    const scene = new Scene();
    t.equal(scene.command.answered, false);
    await scene.run(async (command) => {
      settle(command);
    });
    t.equal(scene.command.answered, true);
    t.ok(scene.engine.answers.has(9n));
    t.same(scene.errors, []);
    for (const again of [
      (): void => {
        scene.command.answer({ status: 0 });
      },
      (): void => {
        scene.command.refuse(invalidField('wrong'));
      },
      (): void => {
        scene.command.attach(queue, 3);
      },
    ]) {
      t.throws(again, { message: 'a command was answered twice' });
    }
  }
});

t.test('a command that its executor forgets is an error, and is answered', async (t) => {
  const scene = new Scene();
  await scene.run(async () => undefined);
  t.same(scene.engine.answers.get(9n), internalError);
  t.same(scene.errors, ['command was not answered']);
});

t.test('a command whose executor fails is an error, and is answered', async (t) => {
  const scene = new Scene();
  await scene.run(async () => {
    throw new Error('broken');
  });
  t.same(scene.engine.answers.get(9n), internalError);
  t.same(scene.errors, ['command failed', 'command was not answered']);
});

t.test('a second answer is an error, and the first stands', async (t) => {
  const scene = new Scene();
  await scene.run(async (command) => {
    command.answer({ status: 0, dw0: 1 });
    command.answer({ status: 0, dw0: 2 });
  });
  t.same(scene.engine.answers.get(9n), { status: 0, dw0: 1 });
  t.same(scene.errors, ['command failed']);
});

t.test('an engine that takes no answer is an error, and ends nothing', async (t) => {
  const scene = new Scene();
  scene.engine.complete = (): void => {
    throw new Error('stopped');
  };
  await scene.run(async () => undefined);
  t.same(scene.errors, ['command was not answered', 'command cannot be answered']);
});
