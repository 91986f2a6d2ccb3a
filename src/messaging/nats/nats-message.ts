import { headers as createHeaders, type Msg, type MsgHdrs, type PublishOptions } from '@nats-io/transport-node';
import { Body } from '../body.ts';
import type { Envelope, Headers } from '../bus.ts';
import { CONTENT_TYPE } from '../codec.ts';
import { NO_HEADERS } from '../inbox.ts';

/** What goes beside the bytes of a message: reply subject and headers, the body's Content-Type among them. */
export function natsPublishOptions({ body, headers }: Envelope, reply: string | undefined): PublishOptions {
  const written = writeHeaders(headers, body.contentType);
  return {
    ...(reply === undefined ? {} : { reply }),
    ...(written === undefined ? {} : { headers: written }),
  };
}

/** Whether an answer is the server's word that nobody serves the subject. */
export function isNoResponders(msg: Msg): boolean {
  return msg.data.length === 0 && msg.headers?.code === 503;
}

function writeHeaders(headers: Headers | undefined, contentType: string | undefined): MsgHdrs | undefined {
  if (headers === undefined && contentType === undefined) return undefined;
  const written = createHeaders();
  for (const [name, value] of Object.entries(headers ?? NO_HEADERS)) written.set(name, value);
  if (contentType !== undefined) written.set(CONTENT_TYPE, contentType);
  return written;
}

/** Body and headers of a message. The Content-Type, in whatever case it is written, belongs to the body. */
export function contentOf(msg: Msg): { body: Body; headers: Headers } {
  if (msg.headers === undefined) return { body: Body.encoded(msg.data, undefined), headers: NO_HEADERS };
  const headers: Record<string, string> = {};
  let contentType: string | undefined;
  for (const [name, [value = '']] of msg.headers) {
    if (name.toLowerCase() === 'content-type') contentType ??= value;
    else headers[name] = value;
  }
  return { body: Body.encoded(msg.data, contentType), headers };
}
