"""What pytorch_finetune.py learns, by the kind of the data: examples, network and collator, as transformers' own examples make them."""

import json


class Texts:
    """Rows without header: label, text, and for pairs a second text."""

    def __init__(self, options, tokenizer, transformers):
        with open(options.train, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file if line != "\n"]
        names = sorted({row[0] for row in rows})
        columns = [list(column) for column in zip(*(row[1:] for row in rows))]
        encoded = tokenizer(*columns, truncation=True, max_length=options.max_length)
        self.examples = [
            {**{key: values[i] for key, values in encoded.items()}, "labels": names.index(row[0])}
            for i, row in enumerate(rows)
        ]
        self.collator = transformers.DataCollatorWithPadding(tokenizer)
        self.network = transformers.AutoModelForSequenceClassification
        self.settings = {"num_labels": len(names)}


class Tags:
    """A word and its tag a line, an empty line behind each sentence; a word is labelled at its first piece."""

    def __init__(self, options, tokenizer, transformers):
        with open(options.train, encoding="utf-8") as file:
            blocks = [block.split("\n") for block in file.read().split("\n\n") if block.strip()]
        sentences = [[line.split("\t") for line in block] for block in blocks]
        names = sorted({tag for sentence in sentences for _, tag in sentence})
        words = [[word for word, _ in sentence] for sentence in sentences]
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=options.max_length)
        self.examples = []
        for i, sentence in enumerate(sentences):
            places = encoded.word_ids(i)
            labels = [
                -100 if place is None or place == places[at - 1] else names.index(sentence[place][1])
                for at, place in enumerate(places)
            ]
            self.examples.append({**{key: values[i] for key, values in encoded.items()}, "labels": labels})
        self.collator = transformers.DataCollatorForTokenClassification(tokenizer)
        self.network = transformers.AutoModelForTokenClassification
        self.settings = {"num_labels": len(names)}


class Answers:
    """Questions in SQuAD's layout; a window without the answer is labelled at its first token, as in run_qa.py."""

    longest_query = 64
    special = 3

    def __init__(self, options, tokenizer, transformers):
        with open(options.train, encoding="utf-8") as file:
            articles = json.load(file)["data"]
        asked = [
            (paragraph["context"], question["question"], question["answers"][0])
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        contexts, questions, answers = zip(*asked)
        room = options.max_length - self.longest_query - self.special
        encoded = tokenizer(
            list(questions),
            list(contexts),
            truncation="only_second",
            max_length=options.max_length,
            # What transformers calls stride is what windows have in common.
            stride=max(0, room - options.stride),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        windows = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        self.examples = []
        for i, sample in enumerate(windows):
            first, last = self.places(offsets[i], encoded.sequence_ids(i), answers[sample])
            window = {key: values[i] for key, values in encoded.items()}
            self.examples.append({**window, "start_positions": first, "end_positions": last})
        self.collator = transformers.DataCollatorWithPadding(tokenizer)
        self.network = transformers.AutoModelForQuestionAnswering
        self.settings = {}

    @staticmethod
    def places(offsets, sequences, answer):
        begin = answer["answer_start"]
        end = begin + len(answer["text"])
        context = [at for at, sequence in enumerate(sequences) if sequence == 1]
        if not context or offsets[context[0]][0] > begin or offsets[context[-1]][1] < end:
            return 0, 0
        first = max(at for at in context if offsets[at][0] <= begin)
        last = min(at for at in context if offsets[at][1] >= end)
        return first, last


KINDS = {"texts": Texts, "tags": Tags, "answers": Answers}
