import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';

/** How a framework is recognised: by a file it brings, or by a package that the project depends on. */
export interface FrameworkPattern {
  /** Lower case; the key in the bucket. */
  name: string;
  title: string;
  files: string[];
  dependencies: string[];
  description: string;
}

/** The bucket in which other programs find the patterns. */
export const PATTERN_BUCKET = 'rota-patterns';

/** Where the patterns go: a NATS KV bucket for programs, and a file for people and for programs without NATS. */
export interface PatternStore {
  readonly file: string;
  /** Opens the bucket, and makes it if it is not there. Opened for each use, so an outage in between does no harm. */
  bucket(): Promise<KV>;
  /** Replaces the file at once and as a whole: nobody reads half of it. @returns false when it said so already */
  writeFile(text: string): Promise<boolean>;
}

/** The pattern store of a node. The connection is the node's own: it is used here and closed there. */
export function openPatternStore(dataFolder: string, nats: NatsConnection | undefined): PatternStore {
  const file = join(dataFolder, 'framework-patterns.json');
  return {
    file,
    async bucket() {
      if (nats === undefined) throw new Error(`the bucket ${PATTERN_BUCKET} needs a NATS connection, and here is none`);
      try {
        return await new Kvm(nats).create(PATTERN_BUCKET, { description: 'how frameworks are recognised' });
      } catch (error) {
        // The failed job is retried; this text is what an operator reads meanwhile.
        throw new Error(
          `the bucket ${PATTERN_BUCKET} cannot be reached (${error}): is nats-server up, and started with --jetstream?`,
          { cause: error },
        );
      }
    },
    async writeFile(text) {
      if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return false;
      await mkdir(dirname(file), { recursive: true });
      // A name of its own for each writer, in the same folder: a rename is atomic only within one file system.
      const draft = `${file}.${randomUUID()}.tmp`;
      try {
        await writeFile(draft, text, { flush: true });
        await rename(draft, file);
      } finally {
        await rm(draft, { force: true });
      }
      return true;
    },
  };
}
