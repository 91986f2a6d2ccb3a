/** What the bench asks of a system under test, whichever it is. Jobs are numbered by `n` in their args. */
export interface Peer {
  /** Product and version. */
  name: string;
  /** Starts handlers; each calls `handled` with its args as its only work. Called again it changes nothing. */
  work(handled: (args: PeerArgs) => void): Promise<void>;
  /** Stops handlers, where single enqueues would wake them. */
  rest(): Promise<void>;
  /** Enqueues in bulk, as fast as the product does; resolves when all is acknowledged. */
  enqueueAll(args: PeerArgs[]): Promise<void>;
  /** Enqueues one; resolves when it is acknowledged. `parked`: to where nobody works. */
  enqueueOne(args: PeerArgs, parked: boolean): Promise<void>;
  /**
   * Whether the server says that nothing waits or runs. That `jobs` are complete, where ended ones are kept, is seen to now or by
   * the next `clear`, which throws.
   */
  settled(jobs: number): Promise<boolean>;
  /** Removes all jobs, so that each round begins alike. */
  clear(): Promise<void>;
  close(): Promise<void>;
  /** Begins to listen for the ends of so many jobs, for those who announce them. */
  listen?(jobs: number): Promise<void>;
  /** Resolves when all of them were heard. */
  heard?(): Promise<void>;
}

/** 60 bytes as JSON. */
export interface PeerArgs {
  to: string;
  template: string;
  n: number;
  /** When it was enqueued, in milliseconds since the epoch: only where latency is measured. */
  at?: number;
}

/** What the bench may say to a process that serves a peer, and what `serve` answers. */
export type PeerRequest =
  | { do: 'expect' | 'enqueueAll'; jobs: number }
  | { do: 'enqueueEach'; jobs: number; inFlight: number }
  | { do: 'enqueueSteadily'; jobs: number; perSecond: number }
  | { do: 'work' | 'handled' | 'rest' | 'clear' | 'close' };

/** What handlers did since `expect`. */
export interface Handled {
  /** Different jobs. */
  jobs: number;
  /** Jobs that ran more than once, counted by their extra runs. */
  again: number;
  /** From the enqueue call to the handler's start, in milliseconds, where args say when they were enqueued. */
  waitsMs: number[];
}

/** What a process tells its parent: that it is there, or how a request ended. */
export type PeerReply =
  | { ready: string }
  | { refused: string }
  | { id: number; done: true; handled?: Handled }
  | { id: number; done: false; error: string };

const FIRST_NUMBER = 10_000;
const nowMs = (): number => performance.timeOrigin + performance.now();
const argsOf = (index: number): PeerArgs => ({
  to: 'somebody@example.org',
  template: 'welcome',
  n: FIRST_NUMBER + index,
});

/** Counts what handlers do: which jobs ran, whether one ran twice, how long each had waited. */
class Tally {
  readonly handled: Handled = { jobs: 0, again: 0, waitsMs: [] };
  readonly all: Promise<void>;
  readonly #seen: Uint8Array;
  readonly #resolve: () => void;

  constructor(jobs: number) {
    this.#seen = new Uint8Array(jobs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.all = promise;
    this.#resolve = resolve;
  }

  count({ n, at }: PeerArgs): void {
    if (at !== undefined) this.handled.waitsMs.push(nowMs() - at);
    const index = n - FIRST_NUMBER;
    // A number that was never given counts as a job too many.
    if (this.#seen[index] !== 0) {
      this.handled.again += 1;
      return;
    }
    this.#seen[index] = 1;
    this.handled.jobs += 1;
    if (this.handled.jobs === this.#seen.length) this.#resolve();
  }
}

/**
 * Serves a peer to the process that forked this one. Requests may overlap: `handled` waits while others are made.
 * @param open with the settings that the parent gave as the first argument, as JSON
 */
export async function serve<Settings>(open: (settings: Settings) => Promise<Peer>): Promise<void> {
  const send = (reply: PeerReply): void => void process.send?.(reply);
  let peer: Peer;
  try {
    // The bench gives each program the settings that it understands.
    peer = await open(JSON.parse(process.argv[2] ?? '{}') as Settings);
  } catch (error) {
    send({ refused: error instanceof Error ? error.message : String(error) });
    process.disconnect?.();
    return;
  }
  let tally = new Tally(0);
  const answer = async (request: PeerRequest): Promise<Handled | undefined> => {
    if (request.do === 'expect') {
      tally = new Tally(request.jobs);
      await peer.listen?.(request.jobs);
    } else if (request.do === 'handled') {
      const { all, handled } = tally;
      await all;
      while (!(await peer.settled(handled.jobs))) await new Promise((resolve) => setTimeout(resolve, 1));
      return handled;
    } else if (request.do === 'work') await peer.work((args) => tally.count(args));
    else if (request.do === 'rest') await peer.rest();
    else if (request.do === 'clear') await peer.clear();
    else if (request.do === 'enqueueAll') {
      await peer.enqueueAll(Array.from({ length: request.jobs }, (_, index) => argsOf(index)));
      await peer.heard?.();
    } else if (request.do === 'enqueueEach') await enqueueEach(peer, request);
    else if (request.do === 'enqueueSteadily') await enqueueSteadily(peer, request);
    else await peer.close();
    return undefined;
  };
  process.on('message', ({ id, request }: { id: number; request: PeerRequest }) => {
    answer(request).then(
      (handled) => {
        send({ id, done: true, ...(handled === undefined ? {} : { handled }) });
        if (request.do !== 'close') return;
        // Only once the answer is out, which an exit at once might lose.
        process.off('disconnect', abandoned);
        process.once('disconnect', () => process.exit(0));
        process.disconnect?.();
      },
      (error) => send({ id, done: false, error: error instanceof Error ? (error.stack ?? error.message) : `${error}` }),
    );
  });
  // The bench died: what the peer started, such as a server, must not outlive it.
  const abandoned = (): void => void peer.close().finally(() => process.exit(1));
  process.once('disconnect', abandoned);
  send({ ready: peer.name });
}

async function enqueueEach(peer: Peer, { jobs, inFlight }: { jobs: number; inFlight: number }): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < jobs) {
      next += 1;
      await peer.enqueueOne(argsOf(next - 1), true);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

/** Each at its own time from the start, so that a late timer does not lower the rate. */
async function enqueueSteadily(peer: Peer, { jobs, perSecond }: { jobs: number; perSecond: number }): Promise<void> {
  const startedMs = performance.now();
  const sent: Promise<void>[] = [];
  for (let index = 0; index < jobs; index += 1) {
    const waitMs = startedMs + (index * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    sent.push(peer.enqueueOne({ ...argsOf(index), at: nowMs() }, false));
  }
  await Promise.all(sent);
}
