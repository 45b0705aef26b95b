#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares vsplit with Istio's own code on generated sets, or on those of files.

    compare.py --oracle ORACLE --vsplit VSPLIT [--seed N] [--count N]
    compare.py --oracle ORACLE --vsplit VSPLIT FILE...

ORACLE reads questions as JSON lines and answers with what Istio's pilot makes of them (README.md).
Exit status 1 when something differs that intended.py does not list.
"""
import argparse
import collections
import json
import pathlib

import answers
import generate

BATCH = 200


def cases_of(options):
    if not options.files:
        return [generate.generate(seed)
                for seed in range(options.seed, options.seed + options.count)]
    return [json.loads(line) for path in options.files for line in path.read_text().splitlines()]


def show(case, entry, lines):
    because = entry.get("because")
    print("%s: %s %s:%s%s" % (case["id"], entry["host"], entry["address"], entry["port"],
                              " (%s)" % ", ".join(because) if because else ""))
    for line in lines:
        print("    " + line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--vsplit", required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the first set")
    parser.add_argument("--count", type=int, default=200, help="how many sets")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    cases = cases_of(options)
    counts = collections.Counter()
    for start in range(0, len(cases), BATCH):
        batch = cases[start:start + BATCH]
        theirs = answers.ask([options.oracle, "-batch"], [answers.question(case) for case in batch])
        batch = [answers.without_rejected(*pair) for pair in zip(batch, theirs)]
        ours = answers.ask([options.vsplit, "route", "--batch"],
                           [answers.question(case) for case in batch])
        for case, istio, vsplit in zip(batch, theirs, ours):
            compare(case, istio, vsplit, counts)
    print(json.dumps(counts, indent=1, sort_keys=True))
    wrong = ("different", "refused by vsplit alone", "not answered by Istio")
    raise SystemExit(1 if any(counts[each] for each in wrong) else 0)


def compare(case, istio, vsplit, counts):
    counts["sets"] += 1
    counts["refused by Istio"] += len(istio.get("rejected") or [])
    for refused in vsplit.get("rejected", []):
        counts["refused by vsplit alone"] += 1
        print("%s: only vsplit refuses %s" % (case["id"], refused["why"]))
    if vsplit.get("rejected"):
        return
    if istio.get("error"):
        counts["not answered by Istio"] += 1
        print("%s: Istio: %s" % (case["id"], istio["error"]))
        return
    entries = answers.wanted(case, istio)
    counts["connections"] += len(entries)
    for entry in entries:
        for reason in entry.get("because", []):
            counts["because " + reason] += 1
    for entry, lines in answers.differences(case, entries, vsplit):
        counts["different"] += 1
        show(case, entry, lines)


if __name__ == "__main__":
    main()
