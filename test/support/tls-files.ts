import { fileURLToPath } from 'node:url';

/**
 * The path of a file in `tls/`: certificates and keys for tests alone, valid from 2020 to 2120. `authority` signed `server`
 * (for 127.0.0.1), `elsewhere` (a server at another address) and `client`; `stranger` is an authority that signed none.
 */
export const tlsFile = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** Lines for a server that speaks TLS, and with `verify` only with who has a certificate. */
export function tlsConfig({ certificate = 'server', verify = false } = {}): string {
  const files = `cert_file: "${tlsFile(`${certificate}.pem`)}", key_file: "${tlsFile(`${certificate}.key`)}"`;
  return `tls { ${files}, ca_file: "${tlsFile('authority.pem')}", verify: ${verify} }`;
}
