/** What the headers of a message may take of the server's `max_payload`, in bytes. */
export const HEADERS_BYTES_RESERVED = 4_096;

/** The largest body as long as no server has said: that of a `nats-server` as it comes (1 MiB), in bytes. */
export const PAYLOAD_BYTES_MAX_DEFAULT = 1_048_576 - HEADERS_BYTES_RESERVED;
