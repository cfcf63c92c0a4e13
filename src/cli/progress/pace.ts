/** Least time between two drawings of live lines, in milliseconds. */
const LIVE_INTERVAL = 100;

/** When plain lines are due. */
export interface PlainPace {
  /** A line at least this often, in seconds; default 30. */
  readonly everySeconds?: number;
  /** A line whenever this share of the work was done since the last, in `(0, 1]`; default 0.1. */
  readonly everyShare?: number;
}

/** Decides whether live lines may be redrawn. */
export function livePace(now: () => number): (force?: boolean) => boolean {
  let last = Number.NEGATIVE_INFINITY;
  return (force = false) => {
    const time = now();
    if (!force && time - last < LIVE_INTERVAL) return false;
    last = time;
    return true;
  };
}

/** Decides whether a plain line is due: at the first call, then by time or by share, never twice within a second. */
export function plainPace(now: () => number, pace: PlainPace = {}): (share: number) => boolean {
  const { everySeconds = 30, everyShare = 0.1 } = pace;
  let lastTime = Number.NEGATIVE_INFINITY;
  let lastShare = 0;
  return (share) => {
    const time = now();
    const seconds = (time - lastTime) / 1000;
    if (seconds < Math.min(1, everySeconds)) return false;
    // Rounding of shares must not put off a line that is due.
    if (seconds < everySeconds && !(share - lastShare >= everyShare - 1e-9)) return false;
    lastTime = time;
    lastShare = share;
    return true;
  };
}
