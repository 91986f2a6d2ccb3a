import type { JobStore, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';

/** How a mutation changes what goes through a store. */
export interface StoreChange {
  /** What is asked instead. */
  request?(request: StoreRequest): StoreRequest;
  /** What is answered instead. */
  reply?(reply: StoreReply, request: StoreRequest): StoreReply;
}

/** A store that asks and answers something else. */
export function changedStore(store: JobStore, { request: ask, reply: tell }: StoreChange): JobStore {
  return {
    capabilities: store.capabilities,
    perform: async (requests) => {
      const replies = await store.perform(requests.map((request) => ask?.(request) ?? request));
      return replies.map((reply, index) => {
        const request = requests[index];
        return request === undefined || tell === undefined ? reply : tell(reply, request);
      });
    },
    close: () => store.close(),
  };
}

/** A store that does groups in a way of its own. */
export function ownStore(
  store: JobStore,
  perform: (requests: readonly StoreRequest[]) => Promise<StoreReply[]>,
): JobStore {
  return { capabilities: store.capabilities, perform, close: () => store.close() };
}
