/** A statement as the driver takes it: with a name it is prepared once on each connection. */
export interface Statement {
  text: string;
  name?: string;
}

/**
 * The statements of one store. `@jobs` in a text is the table of that name in the store's schema, for nothing may hang on
 * the session's search path; and each text has one name for as long as the store is open.
 */
export class Statements {
  readonly #schema: string;
  readonly #prepare: boolean;
  readonly #known = new Map<string, Statement>();

  constructor(schema: string, prepare: boolean) {
    this.#schema = schema;
    this.#prepare = prepare;
  }

  /** The statement of a text that comes again and again, from a closed set of texts. */
  of(sql: string): Statement {
    let statement = this.#known.get(sql);
    if (statement === undefined) {
      const text = this.text(sql);
      statement = this.#prepare ? { text, name: `rota_${this.#known.size}` } : { text };
      this.#known.set(sql, statement);
    }
    return statement;
  }

  /** A text with its tables named in full. */
  text(sql: string): string {
    return sql.replace(/@(?=[a-z_])/g, `"${this.#schema}".`);
  }
}
