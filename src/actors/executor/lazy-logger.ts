import type { Logger } from '../../kernel/log.ts';
import type { ClaimedWork } from './messages.ts';

/**
 * The logger of an attempt, which is made when the first line is written: most handlers write none, and a child of pino
 * costs 1 µs.
 */
export class LazyLogger implements Logger {
  readonly #parent: Logger;
  readonly #work: ClaimedWork;
  #made: Logger | undefined;

  constructor(parent: Logger, work: ClaimedWork) {
    this.#parent = parent;
    this.#work = work;
  }

  debug(fields: object, message: string): void {
    this.#logger().debug(fields, message);
  }

  info(fields: object, message: string): void {
    this.#logger().info(fields, message);
  }

  warn(fields: object, message: string): void {
    this.#logger().warn(fields, message);
  }

  error(fields: object, message: string): void {
    this.#logger().error(fields, message);
  }

  child(fields: object): Logger {
    return this.#logger().child(fields);
  }

  #logger(): Logger {
    const { id: job, type, attempt } = this.#work;
    this.#made ??= this.#parent.child({ job, type, attempt });
    return this.#made;
  }
}
