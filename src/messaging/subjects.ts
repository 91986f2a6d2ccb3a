/** The verbs of the worker protocol. `withdraw` is an addition: a worker that stops takes its waiting claims back. */
export const WORK_VERBS = ['claim', 'withdraw', 'beat', 'settle', 'progress'] as const;
export type WorkVerb = (typeof WORK_VERBS)[number];

/** Every subject of the wire contract under one prefix, so that none is put together elsewhere. */
export class Subjects {
  readonly prefix: string;

  /** @param prefix one token, by default `jobs` */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  enqueue = (queue: string): string => `${this.prefix}.enqueue.${queue}`;
  intake = (queue: string): string => `${this.prefix}.intake.${queue}`;
  /** The stream that keeps what is published to the intake. */
  intakeStream = (): string => `${this.prefix.toUpperCase()}_INTAKE`;
  work = (queue: string, verb: string): string => `${this.prefix}.work.${queue}.${verb}`;
  job = (verb: string): string => `${this.prefix}.job.${verb}`;
  control = (kind: string, verb: string): string => `${this.prefix}.ctl.${kind}.${verb}`;
  event = (kind: string, name: string, what: string): string => `${this.prefix}.events.${kind}.${name}.${what}`;
  /** The stream that keeps events, where they are kept. */
  eventStream = (): string => `${this.prefix.toUpperCase()}_EVENTS`;
  events = (): string => `${this.prefix}.events.>`;
  /** A verb of the store, between our own actors. */
  store = (verb: string): string => `${this.prefix}.int.store.${verb}`;
  /** An actor of one node, by name. */
  actor = (node: string, name: string, verb: string): string => `${this.prefix}.int.node.${node}.${name}.${verb}`;
  /** A hint to every node: something changed, look. */
  hint = (what: string, name: string): string => `${this.prefix}.int.hint.${what}.${name}`;

  /** Whether a reply subject may be answered: not ours, which a forged request could aim at us, and no system subject. */
  mayAnswer = (reply: string): boolean => !reply.startsWith(`${this.prefix}.`) && !reply.startsWith('$');
}

/** The tokens of a subject after its first `skip` ones. */
export function tokensAfter(subject: string, skip: number): string[] {
  return subject.split('.').slice(skip);
}

/** Whether a subject fits a pattern: `*` is one token, `>` one or more at the end. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (index >= given.length || (token !== '*' && token !== given[index])) return false;
  }
  return wanted.length === given.length;
}
