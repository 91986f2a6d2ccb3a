import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** An empty database of its own. */
export interface FreshDatabase {
  /** Its user owns it and is no superuser. */
  readonly url: string;
  /** The same database as the server's superuser: who else is connected, locks, ending connections. */
  readonly adminUrl: string;
  readonly name: string;
  /** Drops it, with whoever is still connected. May be called twice. */
  drop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where databases are made, and for whom. */
export interface DatabaseServer {
  /** Of a user who may create databases. */
  readonly adminUrl: string;
  /** The user who is to own them, with the password if there is one; default: the one of `adminUrl`. */
  readonly owner?: { readonly user: string; readonly password?: string } | undefined;
}

/** Makes one. Several processes may do so at once. */
export async function createDatabase(server: DatabaseServer): Promise<FreshDatabase> {
  const name = `rota_${process.pid}_${randomBytes(6).toString('hex')}`;
  const { adminUrl, owner } = server;
  await runAs(adminUrl, [`CREATE DATABASE ${name}${owner ? ` OWNER ${owner.user}` : ''}`]);
  const drop = (): Promise<void> => runAs(adminUrl, [`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
  return {
    url: urlOf(server, name),
    adminUrl: urlOf({ adminUrl }, name),
    name,
    drop,
    [Symbol.asyncDispose]: drop,
  };
}

/** The address of a database for its owner. */
export function urlOf({ adminUrl, owner }: DatabaseServer, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  if (owner) {
    url.username = owner.user;
    url.password = encodeURIComponent(owner.password ?? '');
  }
  return url.href;
}

/** Runs statements on a connection of their own. */
export async function runAs(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
