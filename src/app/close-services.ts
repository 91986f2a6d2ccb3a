import { errorText } from '../kernel/error.ts';
import type { World } from './world.ts';

/** Closes the config's services, where somebody asked for them: they are not made for that. Never rejects. */
export async function closeServices({ madeServices, log }: Pick<World, 'madeServices' | 'log'>): Promise<void> {
  try {
    const services = await madeServices();
    await (services?.close as (() => unknown) | undefined)?.();
  } catch (error) {
    log.warn({ error: errorText(error) }, 'the services did not close');
  }
}
