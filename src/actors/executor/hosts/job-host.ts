import { AsyncLocalStorage } from 'node:async_hooks';
import type { AnyJobDefinition, Services } from '../../../job/definition.ts';
import { thrownError } from '../../../job/error-entry.ts';
import { type Clock, nextTurn } from '../../../kernel/clock.ts';
import type { HostedOptions } from '../../../supervisor/supervisor.ts';
import { runAttempt } from '../attempt.ts';
import { AttemptContext } from './attempt-context.ts';
import type { FromHost, ToHost } from './host-messages.ts';

/** What a thread or process has of the config. */
export interface JobHostWork {
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  services: Services;
}

/** What the inside of a thread or process works with. */
export interface JobHostWorld {
  clock: Clock;
  /** Imports the config and makes the services. Called once. */
  load(): Promise<JobHostWork>;
  /** Where the config is: for errors. */
  configFile: string;
  post(message: FromHost): void;
}

/**
 * The inside of a thread or process that runs attempts, one at a time. What nobody catches is told and ends it, so that
 * it costs the attempt in whose asynchronous context it arose and no other.
 */
export class JobHost {
  readonly #world: JobHostWorld;
  readonly #scope = new AsyncLocalStorage<AttemptContext>();
  #work: JobHostWork = { definitions: new Map(), services: {} };
  #current: AttemptContext | undefined;

  constructor(world: JobHostWorld) {
    this.#world = world;
    process.on('uncaughtException', (error) => this.#crashed('uncaught exception', error));
    process.on('unhandledRejection', (reason) => this.#crashed('unhandled rejection', reason));
  }

  /** What `hostedThread` and `hostedProcess` call. */
  readonly hosted: HostedOptions = {
    onStart: async () => {
      this.#work = await this.#world.load();
    },
    onMessage: (message) => this.#hear(message as ToHost),
    onShutdown: async () => {
      await (this.#work.services.close as (() => unknown) | undefined)?.();
    },
  };

  #hear(message: ToHost): void {
    switch (message.type) {
      case 'run':
        this.#run(message);
        return;
      case 'abort':
        if (this.#current?.key === message.key) this.#current.abort(message.reason);
        return;
      case 'answer':
        if (this.#current?.key === message.key) this.#current.answered(message.call, message.answer);
        return;
    }
  }

  #run(message: ToHost & { type: 'run' }): void {
    const { clock, post, configFile } = this.#world;
    const { key, jobType, attempt } = message;
    const definition = this.#work.definitions.get(jobType);
    const context = new AttemptContext(message, { clock, post, services: this.#work.services });
    this.#current = context;
    if (definition?.run === undefined) {
      const error = { kind: 'error' as const, message: `${configFile} has no handler for the type "${jobType}"` };
      context.over();
      post({ type: 'started', key });
      post({ type: 'outcome', key, outcome: { outcome: 'fail', error } });
      return;
    }
    const call = (): void => {
      const noTimeout = { timeoutMs: null, onTimeout: () => {} };
      const { outcome } = runAttempt({ definition, context: context.given, attempt, clock, ...noTimeout });
      void outcome.then((how) => {
        context.over();
        post({ type: 'outcome', key, outcome: how });
      });
    };
    // A turn for what the attempt before left behind: if that spins, nobody has said that this one began. And a turn
    // for the word itself: a process's is out before a handler that spins begins.
    nextTurn(() => {
      post({ type: 'started', key });
      this.#scope.run(context, () => nextTurn(call));
    });
  }

  #crashed(what: string, thrown: unknown): void {
    const { post } = this.#world;
    const told = thrownError(thrown);
    const error = { ...told, message: `${what}: ${told.message}` };
    const culprit = this.#scope.getStore();
    if (culprit?.isOver) {
      post({ type: 'tainted', jobType: culprit.jobType, error });
      return;
    }
    const attempt = culprit ?? this.#current;
    if (attempt === undefined || attempt.isOver) post({ type: 'failed', error });
    else post({ type: 'crashed', key: attempt.key, error });
    nextTurn(() => process.exit(1));
  }
}
