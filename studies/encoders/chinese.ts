/** The Chinese text of the study: novels old and new, titles of news, product reviews; in simplified characters. */
import { join } from "node:path";
import { jsonLines } from "../../src/data/json-lines.ts";
import { joinSources, type TextSource } from "../../src/data/source.ts";
import { textFile, textFolder } from "../../src/data/text-file.ts";

/** @param data folder of the data sets */
export function chineseText(data: string): { readonly train: TextSource; readonly eval: TextSource } {
  const classics = join(data, "zh_books");
  const books = join(data, "multilingual_text");
  const book = { documentEnd: "file" } as const;
  return {
    train: joinSources([
      textFolder(classics, { ...book, files: "*.txt.gz" }),
      textFolder(books, { ...book, files: ["zh_jinghuayuan*", "zh_liaozhai*", "zh_luxun*", "zh_rulin*", "zh_shiji*"] }),
      textFile(join(data, "thucnews_titles", "dev.txt.gz"), book),
      jsonLines(join(data, "eprstmt", "unlabeled.json.gz"), { field: "sentence" }),
    ]),
    eval: joinSources([
      textFile(join(books, "zh_laocan_youji.txt.gz"), book),
      jsonLines(join(data, "eprstmt", "test_public.json"), { field: "sentence" }),
    ]),
  };
}
