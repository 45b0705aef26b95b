#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes down what Istio answers, for corpus_test.

    record.py --oracle ORACLE corpus [--seed N] [--count N] [--size N]
    record.py --oracle ORACLE rules

`corpus` writes corpus/generated-*.jsonl for generated sets and asks again about those that are in
corpus/examples.jsonl; `rules` writes the .json beside each rules/*.yaml. The differences that
appear are to be reviewed: they say that Istio, or the list of answers.py, has changed.
"""
import argparse
import json
import pathlib

import answers
import generate

HERE = pathlib.Path(__file__).parent
CLIENT = "default/client"  # the pod of base.yaml that asks


def line(thing):
    return json.dumps(thing, separators=(",", ":"), sort_keys=True) + "\n"


def recorded(oracle, cases):
    """The sets with what is wanted of vsplit, without the objects that Istio refuses."""
    theirs = answers.ask([oracle, "-batch"], [answers.question(case) for case in cases])
    for case, answer in zip(cases, theirs):
        if answer.get("error"):
            raise SystemExit("%s: %s" % (case["id"], answer["error"]))
        kept = answers.without_rejected(case, answer)
        yield dict(kept, wanted=answers.wanted(kept, answer), unasked=answers.unasked(kept))


def corpus(options):
    folder = HERE / "corpus"
    for old in folder.glob("generated-*.jsonl"):
        old.unlink()
    last = options.seed + options.count - 1
    for first in range(options.seed, last + 1, options.size):
        seeds = range(first, min(first + options.size, last + 1))
        cases = [generate.generate(seed) for seed in seeds]
        text = "".join(line(each) for each in recorded(options.oracle, cases))
        (folder / ("generated-%04d.jsonl" % first)).write_text(text)
    examples = folder / "examples.jsonl"
    cases = [json.loads(each) for each in examples.read_text().splitlines()]
    examples.write_text("".join(line(each) for each in recorded(options.oracle, cases)))


def rules(options):
    base = (HERE / "rules" / "base.yaml").read_text()
    paths = [path for path in sorted((HERE / "rules").glob("*.yaml")) if path.stem != "base"]
    questions = [{"id": path.stem, "yaml": base + "---\n" + path.read_text(),
                  "source": {"pod": CLIENT}} for path in paths]
    theirs = answers.ask([options.oracle, "-batch"], questions)
    for path, answer in zip(paths, theirs):
        if answer.get("rejected"):
            raise SystemExit("%s: Istio refuses %s" % (path, answer["rejected"]))
        case = {"source": {"pod": CLIENT}, "wanted": answers.wanted({"objects": []}, answer)}
        path.with_suffix(".json").write_text(pretty(case))


def pretty(case):
    """One line for each connection."""
    wanted = ",\n  ".join(json.dumps(entry, sort_keys=True) for entry in case["wanted"])
    return '{"source": %s,\n "wanted": [\n  %s]}\n' % (json.dumps(case["source"]), wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--oracle", required=True)
    parser.add_argument("what", choices=["corpus", "rules"])
    parser.add_argument("--seed", type=int, default=1, help="of the first set")
    parser.add_argument("--count", type=int, default=300, help="how many sets")
    parser.add_argument("--size", type=int, default=50, help="sets in a file")
    options = parser.parse_args()
    {"corpus": corpus, "rules": rules}[options.what](options)


if __name__ == "__main__":
    main()
