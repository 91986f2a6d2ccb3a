import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** Terminal facts that are not known to be out, oldest first. */
export const unannounced: Verb<'unannounced'> = oneByOne((tx, { options }: Asked<'unannounced'>) =>
  tx.outbox.after(tx, options.after, options.limit),
);

/** Forgets outbox entries: they are out. */
export const announced: Verb<'announced'> = async (tx, asked) => {
  await tx.outbox.forget(
    tx,
    asked.flatMap(({ options }) => options.places),
  );
  return asked.map(() => null);
};
