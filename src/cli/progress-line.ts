import process from "node:process";

const liveMs = 100;
const plainMs = 10_000;

/** One line on standard error that is rewritten on a terminal, and written now and then elsewhere. */
export class ProgressLine {
  private shownAt = performance.now();
  private readonly isLive = process.stderr.isTTY === true;
  private isOpen = false;

  update(text: () => string): void {
    const now = performance.now();
    if (now - this.shownAt < (this.isLive ? liveMs : plainMs)) return;
    this.shownAt = now;
    process.stderr.write(this.isLive ? `\r\u001b[K${text()}` : `${text()}\n`);
    this.isOpen = this.isLive;
  }

  /** Removes the line, so that results stand alone. */
  end(): void {
    if (this.isOpen) process.stderr.write("\r\u001b[K");
    this.isOpen = false;
  }
}
