# SPDX-License-Identifier: Apache-2.0
"""What Istio answers, turned into what vsplit has to answer.

An *answer* has one entry for each host, address and port:

    {"host", "address", "port", "list", "split", "verdict", "ruled", "settings", "because"}

split     [[endpoint, cluster, probability, why]], sorted; endpoint "" is a connection that fails,
          why says how: "unknown cluster", "no healthy endpoint", "black hole"
list      which of two entries counts on a port without a declared protocol: the one for the list
          ("http", "tcp") that vsplit read
verdict   a word that vsplit must have said about some rule of the port
ruled     whether vsplit must have let a rule decide
service   fields of Istio's record about its service; not in the corpus
settings  by cluster: algorithm, limits, ejection, panic, warmup; what is 0 is left out
because   names of DIFFERENCES that changed the entry

What is absent is not compared. intended.py has the one list of where vsplit is meant to differ from
Istio; each is a function of the set and of Istio's records alone.
"""
import ipaddress
import json
import os
import subprocess

import intended
import records


# ---- asking --------------------------------------------------------------------------------------


def question(case):
    items = {"apiVersion": "v1", "kind": "List", "items": case["objects"]}
    # The oracle's reader of YAML loses a document that ends where its buffer of 4 KiB does.
    asked = {"id": case["id"], "yaml": json.dumps(items) + "\n", "source": case["source"]}
    if case.get("registry_only"):
        asked["registry_only"] = True
        asked["mesh"] = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"
    return asked


def ask(command, questions):
    """One answer for each question, of a program that reads and writes JSON lines."""
    text = "".join(json.dumps(each) + "\n" for each in questions)
    environment = dict(os.environ, ISTIO_DUAL_STACK="true")  # one endpoint for a pod, not two
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False,
                          env=environment)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(answers) != len(questions):
        at = questions[min(len(answers), len(questions) - 1)]["id"]
        raise SystemExit("%s ended with status %d at %s:\n%s" %
                         (command[0], done.returncode, at, done.stderr[-4000:]))
    return answers


def without_rejected(case, answer):
    """The set without the objects that Istio's validation refuses."""
    refused = {each["object"] for each in answer.get("rejected") or []}

    def name(thing):
        meta = thing["metadata"]
        return "%s %s/%s" % (thing["kind"], meta.get("namespace", ""), meta["name"])
    return dict(case, objects=[each for each in case["objects"] if name(each) not in refused])


# Of a connection's service: fields that both answers have.
SERVICE = ["namespace", "port_name", "declared", "visible"]


# ---- what is wanted ------------------------------------------------------------------------------


def entry_of(case, record):
    """The entry that copies Istio's record, then what DIFFERENCES make of it."""
    entry = {"host": record["host"], "address": record["address"], "port": record["port"],
             "service": {name: record[name] for name in SERVICE}, "because": []}
    route = records.route_of(record)
    if record["declared"] == records.UNDECLARED:
        entry["list"] = record["protocol"]
    if route:
        entry["split"] = records.split_of(route)
        entry["settings"] = records.settings_of(record, route)
    for name, applies, change in intended.DIFFERENCES:
        if applies(case, record, entry):
            entry["because"].append(name)
            entry = change(case, record, entry)
    return {key: value for key, value in entry.items() if value not in ([], {})}


def wanted(case, answer):
    """What vsplit has to answer, given Istio's answer."""
    entries = []
    for record in answer["connections"]:
        if not record["declared"] or not records.decides(record):
            continue
        if records.without_address(case, record):
            if record["declared"] in records.HTTP | records.TLS or record["protocol"] == "http":
                continue  # only a Host header or the name in a TLS hello leads there
            record = dict(record, address=records.ANY)
        if records.network_of(record["address"]) is None:
            continue
        entry = entry_of(case, record)
        both = record["declared"] == records.UNDECLARED and not record["sniffed"]
        for kind in ("http", "tcp") if both else (entry.get("list"),):
            entries.append(dict(entry, list=kind) if kind else entry)
    return entries


# ---- vsplit's answer -----------------------------------------------------------------------------


BLACK_HOLE = "BlackHoleCluster"


def given(connection, verdicts):
    """vsplit's connection in the form of an entry."""
    out = {"host": connection["host"], "address": connection["address"],
           "port": connection["port"], "service": {name: connection[name] for name in SERVICE},
           "verdict": [each["verdict"] for each in verdicts
                       if each["host"] == connection["host"]
                       and each["port"] in (0, connection["port"])]}
    rule = connection["rule"]
    out["ruled"] = bool(rule)
    out["list"] = rule["path"].split(".")[1].split("[")[0] if rule else ""
    if "untouched" in connection:
        out["split"] = records.UNTOUCHED
        out["settings"] = {}
        return out
    rows = []
    for share in connection["routes"][0]["split"]:
        nameless = share["endpoint"] == records.ORIGINAL or share["cluster"] == BLACK_HOLE
        rows.append((share["endpoint"], "" if nameless else share["cluster"], share["p"],
                     share.get("why", "")))
    out["split"] = records.merge(rows)
    out["settings"] = {name: settings_of(cluster)
                       for name, cluster in connection["clusters"].items()}
    return out


def settings_of(cluster):
    """vsplit's settings in the form of records.settings_of()."""
    ejection = cluster.get("ejection")
    fields = ("failures", "interval_ms", "base_ms", "max_percent")
    return {"algorithm": records.ALGORITHMS.get(cluster.get("lb_policy"), "passthrough"),
            "max_connections": cluster.get("max_connections", 0),
            "connect_timeout_ms": records.milliseconds(cluster.get("connect_timeout", "0s")),
            "panic_percent": cluster.get("panic_threshold", 0),
            "warmup_ms": cluster.get("warmup_ms", 0),
            "ejection": [ejection[field] for field in fields] if ejection else 0}


def near(left, right):
    return len(left) == len(right) and all(
        a[0] == b[0] and a[1] == b[1] and a[3] == b[3] and abs(a[2] - b[2]) < 1e-4
        for a, b in zip(left, right))


def key_of(entry):
    return (entry["host"], str(records.network_of(entry["address"])), entry["port"])


def part_of(host, address, port, entry):
    """Subnets of rules divide the addresses of a service; Istio was asked about one of them."""
    return (entry["host"], entry["port"]) == (host, port) and \
        records.network_of(address).version == records.network_of(entry["address"]).version and \
        records.network_of(address).overlaps(records.network_of(entry["address"]))


# Compared also where they are absent; a connect timeout only where there is one.
SETTINGS = ["algorithm", "max_connections", "ejection", "panic_percent", "warmup_ms"]


def faults(entry, ours):
    """In which of its parts `ours` is not what the entry wants: a list of lines."""
    lines = []
    if "split" in entry and not near(entry["split"], ours["split"]):
        lines += ["istio  " + json.dumps(row) for row in entry["split"]]
        lines += ["vsplit " + json.dumps(row) for row in ours["split"]]
    for name, settings in entry.get("settings", {}).items():
        have = ours["settings"].get(name)
        if have is None:
            continue  # the split has said it
        for field in SETTINGS + [each for each in settings if each not in SETTINGS]:
            value = settings.get(field, 0)
            if have.get(field, 0) != value and "split" in entry:
                lines.append("%s %s: istio %s, vsplit %s" % (name, field, value, have.get(field)))
    for name, have in ours.get("service", {}).items() if "service" in entry else ():
        # To Istio a service is visible, too, on other ports, or where only a rule leads to it.
        if have != entry["service"][name] and not (name == "visible" and not have):
            lines.append("%s: istio %s, vsplit %s" % (name, entry["service"][name], have))
    if "verdict" in entry and entry["verdict"] not in ours["verdict"]:
        lines.append("no rule is said to be %s" % entry["verdict"])
    if entry.get("ruled", ours["ruled"]) != ours["ruled"]:
        lines.append("a rule decides" if ours["ruled"] else "no rule decides")
    return lines


def unasked(case):
    """Hosts of which Istio was not asked about every address: headless, endpoints that are not
    ready have a listener there too."""
    return sorted("%s.%s.%s" % (thing["metadata"]["name"], thing["metadata"]["namespace"],
                                records.DOMAIN)
                  for thing in case["objects"]
                  if thing["kind"] == "Service" and thing["spec"].get("clusterIP") == "None")


def around(key, found):
    """What vsplit does at an address that it does not list: as in the narrowest range around it."""
    network, best = ipaddress.ip_network(key[1]), None
    for (_, address, port), ours in found.items():
        other = ipaddress.ip_network(address)
        if port == key[2] and other.version == network.version and other.supernet_of(network) and \
                (best is None or other.prefixlen > best[0]):
            best = (other.prefixlen, ours)
    # Whose range it is is another question.
    return dict(best[1][0], service={}) if best else {
        "list": "", "split": records.UNTOUCHED, "settings": {}, "verdict": [], "ruled": False}


def differences(case, entries, answer):
    """Yields (entry, lines) for everything in which vsplit's answer is not the wanted one."""
    found = {}
    for connection in answer["connections"]:
        ours = given(connection, answer["verdicts"])
        found.setdefault(key_of(ours), []).append(ours)
    asked = {}
    for entry in entries:
        asked.setdefault(key_of(entry), []).append(entry)
    for key, group in asked.items():
        ours = found[key][0] if key in found else around(key, found)
        kind = "http" if ours["list"] == "http" else "tcp"
        chosen = [each for each in group if each.get("list", kind) == kind]
        # One host may be two services, with one address: Istio has a listener for one of them.
        results = [faults(each, ours) for each in chosen]
        if results and all(results):
            yield chosen[0], results[0]
    for (host, address, port), ours in found.items():
        if (host, address, port) in asked or host in unasked(case):
            continue
        if not near(ours[0]["split"], records.UNTOUCHED) and \
                not any(part_of(host, address, port, entry) for entry in entries):
            yield ours[0], ["only vsplit has this: %s" % json.dumps(ours[0]["split"])]
