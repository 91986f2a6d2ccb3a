import type { RejectedMessage, RejectedPage } from './rejected-message.ts';

/** A request for jobs that a program wrote into the store's own database, in a transaction of its own. */
export interface StoredRequest {
  /** The same at every delivery, and never another's. */
  key: string;
  /** The id that its job will have. */
  id: string;
  queue: string;
  /** The body of an enqueue, in JSON. */
  body: string;
  traceparent: string | null;
  /** When it was made, milliseconds since the epoch, by the database's clock. */
  at: number;
  /** How often it was taken, by anybody, this time included. */
  deliveries: number;
}

/** What the durable intake says to the store beside `insert`. */
export interface IntakeVerbs {
  /** Keeps rejected messages, each once by its key, the newest `REJECTED_MAX` of them. */
  reject: { options: { rejected: readonly RejectedMessage[] }; answer: null };
  /** A page; shorter than `limit` where its JSON would be larger than `bytesMax`, but never empty for that. */
  rejected: { options: { limit: number; cursor?: string; bytesMax?: number }; answer: RejectedPage };
  /** Notes, before it is handled, that a message which may be what crashed its handlers is tried; answers how often so far. */
  suspect: { options: { now: number; key: string }; answer: { tries: number } };
  /**
   * Takes requests that nobody holds, oldest first, for `forMs`: fewer than `limit` where their bodies would be larger
   * than `bytesMax` together, but the first always. `more`: there may be more. A store that no other program can write
   * to has none.
   */
  takeRequests: {
    options: { now: number; limit: number; bytesMax: number; forMs: number };
    answer: { requests: StoredRequest[]; more: boolean };
  };
  /** Forgets requests: their jobs are stored, or they are rejected. */
  finishRequests: { options: { keys: readonly string[] }; answer: null };
  /** Holds requests for `forMs` from now: longer, for who works on them; or shorter, which gives them back. */
  holdRequests: { options: { now: number; keys: readonly string[]; forMs: number }; answer: null };
}
