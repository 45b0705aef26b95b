#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes down what Istio answers, for corpus_test.

    record.py --oracle ORACLE corpus [--seed N] [--count N] [--of N] [--size N] [--without N...]
    record.py --oracle ORACLE rules

`corpus` writes corpus/generated-*.jsonl, of `--of` generated sets the `--count` that have the most
different things in them, and asks again about those that are in corpus/examples.jsonl; `rules`
writes the .json beside each rules/*.yaml, and of some the whole answer into whole/. The differences
that appear are to be reviewed: they say that Istio, or the list of intended.py, has changed.
"""
import argparse
import json
import pathlib

import answers
import generate

HERE = pathlib.Path(__file__).parent
CLIENT = "default/client"  # the pod of base.yaml that asks
BATCH = 200  # questions to one oracle
# Rules whose answers are kept whole: shares that fail, and what another namespace has for itself.
WHOLE = ["R09-exported-to-others", "R13-broken-shares-fail"]


def line(thing):
    return json.dumps(thing, separators=(",", ":"), sort_keys=True) + "\n"


def recorded(oracle, cases):
    """The sets with what is wanted of vsplit, without the objects that Istio refuses."""
    theirs = answers.ask([oracle, "-batch"], [answers.question(case) for case in cases])
    for case, answer in zip(cases, theirs):
        if answer.get("error"):
            raise SystemExit("%s: %s" % (case["id"], answer["error"]))
        kept = answers.without_rejected(case, answer)
        yield dict(kept, wanted=entries(kept, answer), unasked=answers.unasked(kept))


def entries(case, answer):
    """Without what whole/ is for."""
    return [{name: value for name, value in entry.items() if name != "service"}
            for entry in answers.wanted(case, answer)]


def features(case):
    """What is in a recorded set, by name: fields that are used, and what became of connections."""
    written = json.dumps(case["objects"])
    found = {word for word in (
        "Sidecar", "WorkloadEntry", "exportTo", "sourceLabels", "sourceNamespace", "gateways",
        "destinationSubnets", "sniHosts", "delegate", "workloadSelector", "failover\"", "distribute",
        "failoverPriority", "trafficDistribution", "internalTrafficPolicy", "portLevelSettings",
        "consistentHash", "outlierDetection", "ExternalName", "\"None\"", "\"weight\": 0", "9999",
        "missing") if word in written}
    for entry in case["wanted"]:
        found.update(entry.get("because", []))
        rows = entry.get("split", [])
        found.update(row[3] for row in rows)
        found.update("of %d" % len({row[1] for row in rows if row[1]}) for _ in rows[:1])
        found.update("subset" for row in rows if "||" not in row[1])
        found.update("cluster of the %s" % row[1].split("|")[1] for row in rows if row[1])
        found.update(json.dumps(each) for settings in entry.get("settings", {}).values()
                     for each in settings.items())
    return found


def seed_of(case):
    return int(case["id"].rpartition("-")[2])


def corpus(options):
    folder = HERE / "corpus"
    asked = []
    for first in range(options.seed, options.seed + options.of, BATCH):
        seeds = range(first, min(first + BATCH, options.seed + options.of))
        asked += recorded(options.oracle, [generate.generate(seed) for seed in seeds])
    richest = sorted(asked, key=lambda case: -len(features(case)))[:options.count]
    richest = [case for case in richest if seed_of(case) not in options.without]
    richest.sort(key=seed_of)
    for old in folder.glob("generated-*.jsonl"):
        old.unlink()
    for first in range(0, len(richest), options.size):
        text = "".join(line(each) for each in richest[first:first + options.size])
        (folder / ("generated-%04d.jsonl" % (first + 1))).write_text(text)
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
        case = {"source": {"pod": CLIENT}, "wanted": entries({"objects": []}, answer)}
        path.with_suffix(".json").write_text(pretty(case))
        if path.stem in WHOLE:
            (HERE / "whole" / (path.stem + ".json")).write_text(whole(answer))


def whole(answer):
    """Istio's answer as it is, one line for each connection."""
    connections = ",\n  ".join(map(json.dumps, answer["connections"]))
    return '{"source": %s,\n "rejected": [],\n "connections": [\n  %s]}\n' % (
        json.dumps(answer["source"]), connections)


def pretty(case):
    """One line for each connection."""
    wanted = ",\n  ".join(json.dumps(entry, sort_keys=True) for entry in case["wanted"])
    return '{"source": %s,\n "wanted": [\n  %s]}\n' % (json.dumps(case["source"]), wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--oracle", required=True)
    parser.add_argument("what", choices=["corpus", "rules"])
    parser.add_argument("--seed", type=int, default=101, help="of the first set")
    parser.add_argument("--count", type=int, default=320, help="how many sets")
    parser.add_argument("--of", type=int, default=800, help="out of how many")
    parser.add_argument("--without", type=int, nargs="*", default=[458, 683],
                        help="seeds of sets that show what README.md says is not as in Istio")
    parser.add_argument("--size", type=int, default=50, help="sets in a file")
    options = parser.parse_args()
    {"corpus": corpus, "rules": rules}[options.what](options)


if __name__ == "__main__":
    main()
