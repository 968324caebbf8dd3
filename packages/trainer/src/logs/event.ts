/**
 * TensorBoard's `Event` message, encoded with the wire writer of protobuf-es. Field numbers are from event.proto and
 * summary.proto (tensorboard/compat/proto).
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export type SummaryValue =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly png: Uint8Array }
  | { readonly tag: string; readonly histogram: Histogram };

/** Counts (or other heights) of bins; bin i covers the range from edge i to edge i + 1. */
export interface Histogram {
  /** Ascending; one more than `heights`. */
  readonly edges: readonly number[];
  readonly heights: readonly number[];
}

export interface Event {
  /** Unix time in seconds. */
  readonly wallTime: number;
  readonly step?: number;
  /** Set in the first event of a file: `brain.Event:2`. */
  readonly fileVersion?: string;
  /** Makes readers discard the data of earlier files from `step` on. */
  readonly sessionStart?: boolean;
  readonly summary?: readonly SummaryValue[];
}

const message = (writer: BinaryWriter, field: number, write: () => void): void => {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
};
const double = (writer: BinaryWriter, field: number, value: number): void => {
  writer.tag(field, WireType.Bit64).double(value);
};
const integer = (writer: BinaryWriter, field: number, value: number): void => {
  writer.tag(field, WireType.Varint).int64(value);
};
const doubles = (writer: BinaryWriter, field: number, values: readonly number[]): void =>
  message(writer, field, () => {
    for (const value of values) writer.double(value);
  });

export function encodeEvent({ wallTime, step, fileVersion, sessionStart, summary }: Event): Uint8Array {
  const writer = new BinaryWriter();
  double(writer, 1, wallTime);
  if (step !== undefined) integer(writer, 2, step);
  if (fileVersion !== undefined) writer.tag(3, WireType.LengthDelimited).string(fileVersion);
  if (summary !== undefined) {
    message(writer, 5, () => {
      for (const value of summary) message(writer, 1, () => writeValue(writer, value));
    });
  }
  if (sessionStart === true) message(writer, 7, () => integer(writer, 1, 1)); // SessionLog.START
  return writer.finish();
}

function writeValue(writer: BinaryWriter, value: SummaryValue): void {
  writer.tag(1, WireType.LengthDelimited).string(value.tag);
  if ('scalar' in value) writer.tag(2, WireType.Bit32).float(value.scalar);
  else if ('png' in value) message(writer, 4, () => writeImage(writer, value.png));
  else message(writer, 5, () => writeHistogram(writer, value.histogram));
}

/** Size and channels are read from the first chunk (IHDR) of the PNG. */
function writeImage(writer: BinaryWriter, png: Uint8Array): void {
  const header = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };
  integer(writer, 1, header.getUint32(20)); // height
  integer(writer, 2, header.getUint32(16)); // width
  integer(writer, 3, channelsOf[header.getUint8(25)]!);
  writer.tag(4, WireType.LengthDelimited).bytes(png);
}

/** `bucket_limit` holds right edges; the left edge of the first bucket is `min`. Moments use the centers of the bins. */
function writeHistogram(writer: BinaryWriter, { edges, heights }: Histogram): void {
  const sum = (power: number) =>
    heights.reduce((total, height, i) => total + height * ((edges[i]! + edges[i + 1]!) / 2) ** power, 0);
  double(writer, 1, edges[0]!);
  double(writer, 2, edges.at(-1)!);
  for (const power of [0, 1, 2]) double(writer, 3 + power, sum(power)); // num, sum, sum_squares
  doubles(writer, 6, edges.slice(1));
  doubles(writer, 7, heights);
}
