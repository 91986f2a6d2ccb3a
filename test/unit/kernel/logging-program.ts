import { createLogger } from '../../../src/kernel/log.ts';

/** What the program is told: to log so many lines of so many characters, and then to exit. */
export interface LogOrder {
  lines: number;
  characters?: number;
  exit?: number;
}

/** A program that logs as it is told, and answers each order when it has. */
function listen(): void {
  const log = createLogger();
  let count = 0;
  process.on('message', ({ lines, characters = 10, exit }: LogOrder) => {
    const text = 'x'.repeat(characters);
    for (let line = 0; line < lines; line++) log.info({ count: count++ }, text);
    if (exit !== undefined) process.exit(exit);
    process.send?.('done');
  });
  process.send?.('done');
}

listen();
