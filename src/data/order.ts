import { DataError } from "../base/errors.ts";
import { foldSeed, mix32, Random } from "../base/random.ts";

/** A shuffled order of 0 … length − 1 whose every place can be computed alone. */
export interface EpochOrder {
  readonly length: number;
  /** The item at a place of the order; both lie in [0, length). */
  at(place: number): number;
}

/** Where a running count of examples stands. */
export interface OrderPosition {
  readonly epoch: number;
  /** Place inside the epoch. */
  readonly place: number;
  /** The item drawn there. */
  readonly item: number;
}

const numRounds = 8;
/** Up to this length the order is a stored Fisher–Yates shuffle: exactly uniform, and still constant memory. */
const storedLength = 4096;

/**
 * The order of one epoch: a pseudo-random permutation that is a pure function of (length, seed, epoch),
 * in constant memory, so a resume seeks instead of replaying.
 *
 * A Feistel network over pairs (left, right) with left · right ≥ length; results outside are walked on.
 * @throws {DataError} ORDER_LENGTH when length is not a positive integer
 * @source Black and Rogaway 2002, "Ciphers with arbitrary finite domains", cycle walking and generalised Feistel
 */
export function epochOrder(length: number, seed: number, epoch: number): EpochOrder {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new DataError(`epochOrder: length must be a positive integer; got ${length}. Is the data set empty?`, {
      code: "ORDER_LENGTH",
    });
  }
  const check = (place: number) => {
    if (!(Number.isInteger(place) && place >= 0 && place < length)) {
      throw new RangeError(`epochOrder.at: place must be an integer in [0, ${length}); got ${place}.`);
    }
  };
  if (length <= storedLength) {
    const stored = Uint16Array.from({ length }, (_, i) => i);
    new Random(seed, "order", epoch).shuffle(stored);
    return {
      length,
      at: (place) => {
        check(place);
        return stored[place]!;
      },
    };
  }
  const width = Math.ceil(Math.sqrt(length));
  const height = Math.ceil(length / width);
  const key = foldSeed(foldSeed(seed, "order"), epoch);
  const keys = Array.from({ length: numRounds }, (_, round) => foldSeed(key, round));
  const permute = (value: number) => {
    let left = value % width;
    let right = Math.floor(value / width);
    for (let round = 0; round < numRounds; round += 2) {
      left = (left + (mix32(mix32(right ^ keys[round]!) + keys[round]!) % width)) % width;
      right = (right + (mix32(mix32(left ^ keys[round + 1]!) + keys[round + 1]!) % height)) % height;
    }
    return right * width + left;
  };
  return {
    length,
    at: (place) => {
      check(place);
      let value = permute(place);
      while (value >= length) value = permute(value);
      return value;
    },
  };
}

/** An endless order: epoch after epoch, each shuffled anew, addressed by the number of examples drawn so far. */
export function endlessOrder(length: number, seed: number): (count: number) => OrderPosition {
  let order: EpochOrder | undefined;
  let orderEpoch = -1;
  return (count) => {
    const epoch = Math.floor(count / length);
    if (order === undefined || epoch !== orderEpoch) {
      order = epochOrder(length, seed, epoch);
      orderEpoch = epoch;
    }
    const place = count - epoch * length;
    return { epoch, place, item: order.at(place) };
  };
}
