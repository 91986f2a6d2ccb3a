/** What an examination found out about one thing. */
export interface Finding {
  /** The thing: `Node`, `nats-server`, … */
  readonly what: string;
  /** `wrong`: Rota cannot run like this. `warning`: it can. `unchecked`: something else is in the way. */
  readonly state: 'ok' | 'warning' | 'wrong' | 'unchecked';
  /** In words; lines after the first are details. */
  readonly found: string;
  /** What to do about it. */
  readonly remedy?: string;
}
