/** The English text of the study: books, speeches, news, film reviews and encyclopedia articles in mixed encodings. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { tsv } from "../../src/data/delimited.ts";
import { joinSources, type TextSource } from "../../src/data/source.ts";
import { textFile, textFolder } from "../../src/data/text-file.ts";

/** @param data folder of the data sets */
export function englishText(data: string): { readonly train: TextSource; readonly eval: TextSource } {
  const books = join(data, "en_books");
  const gutenberg = join(data, "en_gutenberg");
  const nltk = join(data, "nltk_text");
  const wikitext = join(data, "wikitext2");
  const book = { documentEnd: "file" } as const;
  const files = readdirSync(gutenberg).filter((name) => name.endsWith(".txt.gz"));
  const isLatin1 = (name: string) => name.endsWith("_latin1.txt.gz");
  return {
    train: joinSources([
      textFolder(gutenberg, { ...book, files: files.filter((name) => !isLatin1(name)) }),
      textFolder(gutenberg, { ...book, files: files.filter(isLatin1), encoding: "latin1" }),
      textFolder(books, { ...book, files: ["moby_dick*", "tale_of_two_cities*", "great_expectations*"] }),
      textFolder(nltk, { ...book, files: ["state_union*", "inaugural*", "abc_rural*"] }),
      textFile(join(nltk, "abc_science_latin1.txt.gz"), { ...book, encoding: "latin1" }),
      tsv(join(data, "movie_reviews", "reviews.tsv.gz"), { header: true, column: "text" }),
      textFile(join(wikitext, "test.txt.gz"), book),
    ]),
    eval: joinSources([
      textFile(join(books, "treasure_island.txt.gz"), book),
      textFile(join(books, "pride_and_prejudice.txt.gz"), book),
      textFile(join(wikitext, "valid.txt.gz"), book),
    ]),
  };
}
