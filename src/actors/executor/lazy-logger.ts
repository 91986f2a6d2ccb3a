import type { Logger } from '../../kernel/log.ts';

/**
 * A logger with fields of its own that is made when the first line is written: most handlers write none, and a child of
 * pino costs 1 µs.
 */
export class LazyLogger implements Logger {
  readonly #parent: Logger;
  readonly #fields: object;
  #made: Logger | undefined;

  constructor(parent: Logger, fields: object) {
    this.#parent = parent;
    this.#fields = fields;
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
    this.#made ??= this.#parent.child(this.#fields);
    return this.#made;
  }
}
