/** A terminal for tests: keeps what a reader would see, and what was written. */
export class Screen {
  readonly isTTY: boolean;
  columns: number;
  rows: string[] = [""];
  /** Everything written, call by call. */
  writes: string[] = [];
  #row = 0;
  #column = 0;

  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    this.writes.push(text);
    for (const [token] of text.matchAll(/\p{Cc}\[\d*[A-Z]|[\s\S]/gu)) this.#apply(token);
  }

  /** Lines on the screen, without the blanks at their ends. */
  get lines(): string[] {
    const lines = this.rows.map((row) => row.trimEnd());
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  #apply(token: string): void {
    if (token === "\r") this.#column = 0;
    else if (token === "\n") {
      this.#row++;
      this.#column = 0;
      this.rows[this.#row] ??= "";
    } else if (token.endsWith("A") && token.length > 1) this.#row -= Number(token.slice(2, -1));
    else if (token.endsWith("[K")) this.rows[this.#row] = this.rows[this.#row]!.slice(0, this.#column);
    else if (token.endsWith("[J")) {
      this.rows[this.#row] = this.rows[this.#row]!.slice(0, this.#column);
      this.rows.length = this.#row + 1;
    } else this.#type(token);
  }

  #type(character: string): void {
    const row = [...this.rows[this.#row]!.padEnd(this.#column)];
    row[this.#column++] = character;
    this.rows[this.#row] = row.join("");
    if (this.isTTY && this.#column > this.columns) throw new Error(`wrapped at ${this.columns}: ${row.join("")}`);
  }
}
