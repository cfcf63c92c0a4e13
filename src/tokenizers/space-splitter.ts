import type { Splitter, WordSink, WordVisit } from "./splitter.ts";
import { isHighSurrogate, isLowSurrogate } from "./unicode-offset.ts";
import { hashStart, hashUnit } from "./word-table.ts";

/** White space of Unicode (the property White_Space; JavaScript's own differs by two characters). */
const WHITE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

const isWhite = new Uint8Array(0x10000);
for (let unit = 0; unit < 0x10000; unit++) isWhite[unit] = WHITE.test(String.fromCharCode(unit)) ? 1 : 0;

/** Splits texts at white space, and changes nothing else. */
export class SpaceSplitter implements Splitter {
  scan(text: string, sink: WordSink): boolean {
    const { units } = sink;
    const limit = units.length;
    let length = 0;
    let hash = hashStart;
    for (let i = 0; i < text.length; i++) {
      let unit = text.charCodeAt(i);
      if (isWhite[unit] === 1) {
        if (length > 0) sink.word(length, hash);
        length = 0;
        hash = hashStart;
        continue;
      }
      if (unit >= 0xd800 && unit <= 0xdfff) {
        const paired = isHighSurrogate(unit)
          ? isLowSurrogate(text.charCodeAt(i + 1))
          : i > 0 && isHighSurrogate(text.charCodeAt(i - 1));
        // A lone surrogate reaches the library as U+FFFD.
        if (!paired) unit = 0xfffd;
      }
      if (length < limit) units[length] = unit;
      length++;
      hash = hashUnit(hash, unit);
    }
    if (length > 0) sink.word(length, hash);
    return true;
  }

  forEachWord(text: string, visit: WordVisit): boolean {
    let start = -1;
    for (let i = 0; i <= text.length; i++) {
      const white = i === text.length || isWhite[text.charCodeAt(i)] === 1;
      if (!white && start < 0) start = i;
      if (white && start >= 0) {
        visit(text.slice(start, i), start);
        start = -1;
      }
    }
    return true;
  }
}
