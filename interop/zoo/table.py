"""Puts the results of several servers beside each other, as Markdown: table.py NAME=FILE ..."""

import json
import sys

columns, cells, facts = [], {}, {}
for argument in sys.argv[1:]:
    column, file = argument.split("=", 1)
    columns.append(column)
    for name, what, direction, expected, got, word, mistake in json.load(open(file, encoding="utf-8")):
        facts.setdefault((name, direction), (what, expected))
        is_wrong = mistake.startswith("FALSE")
        told = "" if got == "accept" or word.isdigit() else f", {word}"
        cells[name, direction, column] = f"**{got}**{told}" if is_wrong else got + told
print("| Case | What is shown | Way | Expected |", " | ".join(columns), "|")
print("| --- | --- | --- | --- |" + " --- |" * len(columns))
for (name, direction), (what, expected) in facts.items():
    told = " | ".join(cells.get((name, direction, column), "-") for column in columns)
    print(f"| {name} | {what} | {direction} | {expected} | {told} |")
