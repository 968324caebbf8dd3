/** crc-32 ships types for its plain CRC only. */
declare module 'crc-32/crc32c.js' {
  const crc32c: {
    /** CRC-32C (Castagnoli, RFC 3720) of the bytes, as a signed 32-bit integer; `seed` continues a previous CRC. */
    buf(bytes: Uint8Array, seed?: number): number;
  };
  export default crc32c;
}
