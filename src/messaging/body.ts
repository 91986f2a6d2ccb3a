import { RotaError } from '../kernel/error.ts';
import { type Codec, codecOf, decode, encode } from './codec.ts';

/**
 * The content of a message: a value, its bytes, or both, each made from the other when first asked for. A value that
 * stays in one thread is never encoded; whoever gets one treats it as frozen.
 */
export class Body {
  readonly #contentType: string | undefined;
  #bytes: Uint8Array | undefined;
  #value: { it: unknown } | undefined;

  private constructor(parts: { bytes?: Uint8Array; value?: { it: unknown }; contentType: string | undefined }) {
    this.#contentType = parts.contentType;
    this.#bytes = parts.bytes;
    this.#value = parts.value;
  }

  /** A body that will be written with the codec if it leaves this thread. */
  static of(value: unknown, codec: Codec): Body {
    return new Body({ value: { it: value }, contentType: codec === 'json' ? undefined : 'application/msgpack' });
  }

  /** A body as it came, with the Content-Type that came with it. */
  static encoded(bytes: Uint8Array, contentType: string | undefined): Body {
    return new Body({ bytes, contentType });
  }

  /** The Content-Type header that goes with the bytes; undefined means JSON. */
  get contentType(): string | undefined {
    return this.#contentType;
  }

  /**
   * The codec of the bytes.
   * @throws RotaError `unsupported_content_type`
   */
  get codec(): Codec {
    const codec = codecOf(this.#contentType);
    if (codec === undefined) {
      throw new RotaError(
        'unsupported_content_type',
        `the Content-Type ${JSON.stringify(this.#contentType)} is not supported: use application/json or application/msgpack`,
      );
    }
    return codec;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= encode(this.#value?.it, this.codec);
    return this.#bytes;
  }

  /**
   * The decoded value.
   * @throws RotaError `unsupported_content_type` or `invalid_request` when it cannot be read
   */
  get value(): unknown {
    this.#value ??= { it: decode(this.bytes, this.codec) };
    return this.#value.it;
  }
}
