import { packageVersion } from '../app/version.ts';
import { systemClock } from '../kernel/clock.ts';
import { nearest, readArguments } from './arguments.ts';
import { type CliWorld, systemWorld } from './cli-world.ts';
import { type Command, EXIT, type Flags, type FlagValues } from './command.ts';
import { doctor } from './doctor.ts';
import { enqueue } from './enqueue.ts';
import { tellFailure } from './failure.ts';
import { commandHelp, generalHelp } from './help.ts';
import { jobs } from './jobs.ts';
import { jobsCancel } from './jobs-cancel.ts';
import { jobsDelete } from './jobs-delete.ts';
import { jobsRetry } from './jobs-retry.ts';
import { jobsUpdate } from './jobs-update.ts';
import { nodes } from './nodes.ts';
import { Output } from './output.ts';
import { queues } from './queues.ts';
import { queuesLimit } from './queues-limit.ts';
import { queuesPause } from './queues-pause.ts';
import { queuesPurge } from './queues-purge.ts';
import { queuesResume } from './queues-resume.ts';
import { queuesScale } from './queues-scale.ts';
import { rejected } from './rejected.ts';
import { schedules } from './schedules.ts';
import { schedulesDelete } from './schedules-delete.ts';
import { schedulesGet } from './schedules-get.ts';
import { schedulesPause } from './schedules-pause.ts';
import { schedulesPreview } from './schedules-preview.ts';
import { schedulesPut } from './schedules-put.ts';
import { schedulesResume } from './schedules-resume.ts';
import { schedulesRun } from './schedules-run.ts';
import { start } from './start.ts';
import { tree } from './tree.ts';
import { UsageError } from './usage-error.ts';
import { watch } from './watch.ts';

/** Every command, in the order of the help text. */
export const COMMANDS: readonly Command[] = [
  start,
  enqueue,
  watch,
  jobs,
  jobsCancel,
  jobsRetry,
  jobsDelete,
  jobsUpdate,
  schedules,
  schedulesGet,
  schedulesPut,
  schedulesPause,
  schedulesResume,
  schedulesRun,
  schedulesDelete,
  schedulesPreview,
  queues,
  queuesPause,
  queuesResume,
  queuesScale,
  queuesLimit,
  queuesPurge,
  rejected,
  nodes,
  tree,
  doctor,
] as readonly Command[];

/**
 * The program: does what the command line says and ends the process with the exit code.
 * @param argv the words after `rota`
 */
export async function main(argv: string[]): Promise<void> {
  // Whoever read our output has seen enough; a node goes on without. A terminal that was closed says it in its own way.
  const readerGone = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    if (argv[0] !== 'start') process.exit(EXIT.ok);
  };
  process.stdout.on('error', readerGone);
  process.stderr.on('error', readerGone);
  const code = await runCli(argv, systemWorld(systemClock));
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  // Not left to the event loop: a handler that hears of no abort, or a config that left something open, would keep it.
  process.exit(code);
}

/**
 * Does what a command line says.
 * @returns the exit code; never rejects
 */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  const out = new Output(world);
  try {
    return await run(argv, world, out);
  } catch (error) {
    return tellFailure(error, out, { json: argv.includes('--json'), stack: wantsStack(argv, world.env) });
  }
}

async function run(argv: readonly string[], world: CliWorld, out: Output): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    out.note(generalHelp(COMMANDS));
    return EXIT.usage;
  }
  if (word === '--version' || word === '-v' || word === 'version') {
    out.line(packageVersion());
    return EXIT.ok;
  }
  if (word === '--help' || word === '-h' || word === 'help') {
    const [about] = rest;
    out.line(about === undefined ? generalHelp(COMMANDS) : commandHelp(commandOf(rest).command));
    return EXIT.ok;
  }
  const { command, args } = commandOf(argv);
  const { flags, settings, positionals, help } = readArguments(command, args);
  if (help) {
    out.line(commandHelp(command));
    return EXIT.ok;
  }
  // Each value was read as the command's own table of flags says.
  const values = flags as FlagValues<Flags>;
  return command.run({ flags: values, settings, positionals, json: flags.json === true, out, world });
}

/** The second words that go with a command. */
function verbsOf({ name }: Command): string[] {
  return COMMANDS.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name.slice(name.length + 1));
}

/** The command that words begin with, of two words where there is such a one, and what stands after it. */
function commandOf([word = '', ...rest]: readonly string[]): { command: Command; args: readonly string[] } {
  const longer = COMMANDS.find(({ name }) => name === `${word} ${rest[0]}`);
  if (longer !== undefined) return { command: longer, args: rest.slice(1) };
  const command = commandNamed(word);
  const [second] = rest;
  const verbs = verbsOf(command);
  if (second !== undefined && !second.startsWith('-') && command.positionals.length === 0 && verbs.length > 0) {
    const near = nearest(second, verbs);
    const guess = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new UsageError(`"rota ${word}" has no "${second}"${guess}`, `it has ${verbs.join(', ')}`);
  }
  return { command, args: rest };
}

function commandNamed(word: string): Command {
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) return command;
  const hint = '"rota help" lists the commands';
  if (word.startsWith('-')) throw new UsageError(`${word} stands before the command`, 'write rota COMMAND [FLAGS]');
  const near = nearest(
    word,
    COMMANDS.map(({ name }) => name),
  );
  throw new UsageError(`"${word}" is no command${near === undefined ? '' : `; did you mean "${near}"?`}`, hint);
}

/** Stacks are for whoever asked for `debug` or `trace`; the line need not be well-formed for that. */
function wantsStack(argv: readonly string[], env: CliWorld['env']): boolean {
  const at = argv.findIndex((word) => word === '--log-level' || word.startsWith('--log-level='));
  const level = at < 0 ? env.ROTA_LOG_LEVEL : (argv[at]?.split('=')[1] ?? argv[at + 1]);
  return level === 'debug' || level === 'trace';
}
