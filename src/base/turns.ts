/** @file Work that must not overlap. */

/** Runs pieces of work one after the other, in the order in which they were asked for; one that fails stops no other. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  /** Ends when all work is done that was asked for until now. */
  async idle(): Promise<void> {
    await this.last;
  }
}
