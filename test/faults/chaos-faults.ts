import type { Chance } from '../simulation/chance.ts';
import type { Fleet } from '../support/fleet.ts';
import { runAs } from '../support/postgres/database.ts';

/** What is done to a fleet, and how it is undone. */
export interface ChaosFault {
  name: string;
  /** How long it lasts, in milliseconds. */
  forMs: number;
  /** Those who listen to events may miss some. */
  deafens?: boolean;
  begin(): Promise<void>;
  end(): Promise<void>;
}

type Kind = (fleet: Fleet, chance: Chance) => Omit<ChaosFault, 'forMs'>;

/** Shorter and longer than the lease of 2 s. */
const SHORT_MS = { min: 300, max: 4_500 };
/** The long outages of the servers. */
const OUTAGE_MS = 60_000;

const nodeOf = (fleet: Fleet, chance: Chance): string => chance.of(['a', ...[...fleet.nodes.keys()].slice(1)]);
const storeOf = (fleet: Fleet, chance: Chance): string =>
  chance.of(['a', ...[...fleet.nodes.keys()].slice(1).filter((name) => name !== 'worker')]);

const killNode: Kind = (fleet, chance) => {
  const name = nodeOf(fleet, chance);
  return { name: `kill -9 ${name}`, begin: () => ended(fleet, name, 'SIGKILL'), end: () => fleet.startAgain(name) };
};

const restartNode: Kind = (fleet, chance) => {
  const name = nodeOf(fleet, chance);
  return { name: `restart ${name}`, begin: () => ended(fleet, name, 'SIGTERM'), end: () => fleet.startAgain(name) };
};

const freezeNode: Kind = (fleet, chance) => {
  const name = nodeOf(fleet, chance);
  const { process } = fleet.node(name);
  return {
    name: `freeze ${name}`,
    begin: async () => process.signal('SIGSTOP'),
    end: async () => process.signal('SIGCONT'),
  };
};

/** A node and a server do not reach each other: connections break, or hang. */
const cutNode: Kind = (fleet, chance) => {
  const from = chance.of<'nats' | 'database' | 'both'>(['nats', 'database', 'both']);
  const name = from === 'nats' ? nodeOf(fleet, chance) : storeOf(fleet, chance);
  const { nats, database } = fleet.node(name);
  const gates = { nats: [nats], database: [database], both: [nats, database] }[from];
  const hangs = chance.hits(0.5);
  return {
    name: `${hangs ? 'hang' : 'cut'} ${name} from ${from}`,
    begin: async () => {
      for (const gate of gates) await (hangs ? gate.hold() : gate.shut());
    },
    end: async () => {
      for (const gate of gates) await (hangs ? gate.release() : gate.open());
    },
  };
};

const killNats: Kind = (fleet) => ({
  ...{ name: 'kill -9 NATS', deafens: true },
  begin: () => fleet.nats.stop('SIGKILL'),
  end: () => fleet.nats.restart(),
});

const freezeNats: Kind = (fleet) => ({
  name: 'freeze NATS',
  begin: async () => fleet.nats.freeze(),
  end: async () => fleet.nats.thaw(),
});

const killPostgres: Kind = (fleet) => ({
  name: 'kill -9 PostgreSQL',
  begin: () => fleet.postgres.kill(),
  end: () => fleet.postgres.restart(),
});

const stopPostgres: Kind = (fleet) => ({
  name: 'stop PostgreSQL',
  begin: () => fleet.postgres.stop('fast'),
  end: () => fleet.postgres.restart(),
});

const freezePostgres: Kind = (fleet) => ({
  name: 'freeze PostgreSQL',
  begin: async () => fleet.postgres.freeze(),
  end: async () => fleet.postgres.thaw(),
});

const endConnections: Kind = (fleet) => ({
  name: 'pg_terminate_backend',
  begin: () =>
    runAs(fleet.postgres.adminUrl, [
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rota'`,
    ]),
  end: async () => {},
});

async function ended(fleet: Fleet, name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await fleet.end(name, signal);
}

const KINDS: readonly Kind[] = [
  ...[killNode, restartNode, freezeNode, freezeNode, cutNode, cutNode, cutNode, killNats, freezeNats],
  ...[killPostgres, stopPostgres, freezePostgres, endConnections],
];

/** Short faults without end, each kind once before any comes again. */
export function* faultsOf(fleet: Fleet, chance: Chance): Generator<ChaosFault, never> {
  for (;;) {
    const left = [...KINDS];
    while (left.length > 0) {
      const [kind] = left.splice(chance.between(0, left.length - 1), 1);
      if (kind !== undefined) yield { ...kind(fleet, chance), forMs: chance.between(SHORT_MS.min, SHORT_MS.max) };
    }
  }
}

/** The servers are away, one after the other and both at once. */
export function outagesOf(fleet: Fleet, chance: Chance, forMs = OUTAGE_MS): ChaosFault[] {
  const postgres = killPostgres(fleet, chance);
  const nats = killNats(fleet, chance);
  const both = bothOf(postgres, nats);
  return [postgres, nats, both].map((fault) => ({ ...fault, forMs }));
}

/** Two faults as one: both begin together and end together. */
export function bothOf<T extends Omit<ChaosFault, 'forMs'>>(one: T, other: T): T {
  return {
    ...one,
    name: `${one.name} and ${other.name}`,
    deafens: one.deafens === true || other.deafens === true,
    begin: async () => {
      await Promise.all([one.begin(), other.begin()]);
    },
    end: async () => {
      await Promise.all([one.end(), other.end()]);
    },
  };
}
