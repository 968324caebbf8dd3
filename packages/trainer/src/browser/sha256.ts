/** SHA-256 of bytes by WebCrypto, as lowercase hexadecimal digits. */
export async function sha256(bytes: Uint8Array | string): Promise<string> {
  const given = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', given as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
