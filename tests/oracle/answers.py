# SPDX-License-Identifier: Apache-2.0
"""What Istio answers, turned into what vsplit has to answer.

An *answer* has one entry for each host, address and port:

    {"host", "address", "port", "list", "split", "verdict", "settings", "because"}

split     [[endpoint, cluster, probability, why]], sorted; endpoint "" is a connection that fails,
          why says how: "unknown cluster", "no healthy endpoint", "black hole"
list      which of two entries counts on a port without a declared protocol: the one for the list
          ("http", "tcp") that vsplit read
verdict   a word that vsplit must have said about some rule of the port
settings  by cluster: algorithm and limits
because   names of DIFFERENCES that changed the entry

What is absent is not compared. DIFFERENCES is the one list of where vsplit is meant to differ from
Istio; each is a function of the set and of Istio's records alone.
"""
import ipaddress
import json
import os
import subprocess

ORIGINAL = "original destination"
DOMAIN = "svc.cluster.local"
HTTP = {"HTTP", "HTTP2", "GRPC", "GRPC-Web", "HTTP_PROXY"}
TLS = {"HTTPS", "TLS"}
DEFAULT_TIMEOUT_MS = 10000  # of the mesh; here the kernel's own stays
UNDECLARED = "UnsupportedProtocol"


# ---- asking --------------------------------------------------------------------------------------


def question(case):
    items = {"apiVersion": "v1", "kind": "List", "items": case["objects"]}
    return {"id": case["id"], "yaml": json.dumps(items), "source": case["source"]}


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


# ---- Istio's records -----------------------------------------------------------------------------


def merge(rows):
    """Equal rows become one with the sum of their probabilities."""
    sums = {}
    for endpoint, cluster, p, why in rows:
        key = (endpoint, cluster, why)
        sums[key] = sums.get(key, 0) + p
    return sorted([endpoint, cluster, round(p, 6), why]
                  for (endpoint, cluster, why), p in sums.items() if p > 0)


def split_of(route):
    rows = []
    for share in route["split"]:
        cluster = share["cluster"]
        if share["endpoint"] == ORIGINAL or cluster == "BlackHoleCluster":
            cluster = ""  # such clusters have no name of their own here
        rows.append((share["endpoint"], cluster, share["p"], share.get("why", "")))
    return merge(rows)


def milliseconds(text):
    total, number = 0.0, ""
    units = {"h": 3600000, "m": 60000, "s": 1000, "ms": 1}
    unit = ""
    for char in text + "0":
        if char.isdigit() or char == ".":
            if unit:
                total += float(number) * units[unit]
                number, unit = "", ""
            number += char
        else:
            unit += char
    return round(total)


ALGORITHMS = {"LEAST_REQUEST": "least_request", "ROUND_ROBIN": "round_robin", "RANDOM": "random",
              "MAGLEV": "maglev", "RING_HASH": "maglev"}


def settings_of(record):
    out = {}
    for name, cluster in record["clusters"].items():
        if cluster.get("missing") or cluster.get("type") == "ORIGINAL_DST":
            continue
        if name.startswith("outbound|"):
            out[name] = {"algorithm": ALGORITHMS[cluster["lb_policy"]],
                         "max_connections": cluster.get("max_connections", 0)}
            timeout = milliseconds(cluster["connect_timeout"])
            if timeout != DEFAULT_TIMEOUT_MS:
                out[name]["connect_timeout_ms"] = timeout
    return out


def entry_of(case, record):
    """The entry that copies Istio's record, then what DIFFERENCES make of it."""
    entry = {"host": record["host"], "address": record["address"], "port": record["port"],
             "because": []}
    routes = record.get("routes") or []
    if record["declared"] == UNDECLARED:
        entry["list"] = record["protocol"]
    if routes:
        entry["split"] = split_of(routes[0])
        entry["settings"] = settings_of(record)
    for name, applies, change in DIFFERENCES:
        if applies(case, record, entry):
            entry["because"].append(name)
            entry = change(case, record, entry)
            if entry is None:
                return None
    return {key: value for key, value in entry.items() if value not in ([], {})}


def dialled(record):
    """Whether there is an address to dial: some hosts are reached by a Host header alone."""
    try:
        return record["declared"] and ipaddress.ip_network(record["address"], strict=False)
    except ValueError:
        return False


def decides(record):
    """Whether the record is about the bytes that the port declares, which is what counts here."""
    declared, kind = record["declared"], record["protocol"]
    if declared in HTTP:
        return kind == "http" or not record["sniffed"]
    if declared in TLS:
        return kind == "tls" or not record["sniffed"]
    if declared == UNDECLARED:
        return kind in ("http", "tcp")
    return kind == "tcp" or not record["sniffed"]


def wanted(case, answer):
    """What vsplit has to answer, given Istio's answer."""
    entries = []
    for record in answer["connections"]:
        if not dialled(record) or not decides(record):
            continue
        entry = entry_of(case, record)
        if entry is None:
            continue
        both = record["declared"] == UNDECLARED and not record["sniffed"]
        for kind in ("http", "tcp") if both else (entry.get("list"),):
            entries.append(dict(entry, list=kind) if kind else entry)
    return entries


# ---- where vsplit is meant to differ -------------------------------------------------------------


def service_of(case, record):
    for thing in case["objects"]:
        meta = thing["metadata"]
        if thing["kind"] == "Service" and record["host"] == "%s.%s.%s" % (
                meta["name"], meta.get("namespace", "default"), DOMAIN):
            return thing
    return None


def needs_request(_, record, __):
    routes = record.get("routes") or []
    if record["protocol"] != "http":
        return False
    return not routes or routes[0]["match"] is not None or not routes[0]["clusters"]


def leave_to_service(_, record, entry):
    """The plain service, whose endpoints Istio's record may not show."""
    del record
    entry = dict(entry, verdict="not enforced")
    entry.pop("split", None)
    entry.pop("settings", None)
    return entry


def version_of(address):
    return ipaddress.ip_network(address, strict=False).version


def ip_of(endpoint):
    """The address in "10.1.0.1:80" and "[fd00::1]:80", or None where there is a name."""
    try:
        return ipaddress.ip_address(endpoint.rpartition(":")[0].strip("[]"))
    except ValueError:
        return None


def other_family(_, record, entry):
    version = version_of(record["address"])
    return any(ip_of(row[0]) and ip_of(row[0]).version != version
               for row in entry.get("split", []))


def same_family(case, record, entry):
    """Connections keep their family: of a pod its address of that family, or none."""
    version = version_of(record["address"])
    pods = {}
    for thing in case["objects"]:
        ips = [ipaddress.ip_address(each["ip"])
               for each in thing.get("status", {}).get("podIPs", [])]
        pods.update({ip: other for ip in ips for other in ips if other.version == version})
    kept, lost = [], {}
    for endpoint, cluster, p, why in entry["split"]:
        ip = ip_of(endpoint)
        if ip is None or ip.version == version:
            kept.append([endpoint, cluster, p, why])
        elif ip in pods:
            at = ("[%s]:%s" if version == 6 else "%s:%s") % (pods[ip], endpoint.rpartition(":")[2])
            kept.append([at, cluster, p, why])
        else:
            lost[cluster] = lost.get(cluster, 0) + p
    for cluster, p in lost.items():
        rest = sum(row[2] for row in kept if row[1] == cluster)
        kept = [[row[0], row[1], row[2] * (rest + p) / rest, row[3]] if row[1] == cluster else row
                for row in kept]
        if not rest:
            kept.append(["", cluster, p, "no healthy endpoint"])
    return dict(entry, split=merge(kept))


# name, when, what it does to the entry (None: not compared). README.md says why.
DIFFERENCES = [
    ("needs-request", needs_request, leave_to_service),
    ("other-family", other_family, same_family),
]


# ---- vsplit's answer -----------------------------------------------------------------------------


def why_of(text):
    if text.startswith("no ready endpoint"):
        return "no healthy endpoint"
    if text.startswith("REGISTRY_ONLY"):
        return "black hole"
    return "unknown cluster"


def given(connection):
    """vsplit's connection in the form of an entry."""
    out = {"host": connection["host"], "address": connection["address"],
           "port": connection["port"], "verdict": [v["verdict"] for v in connection["verdicts"]]}
    rule = connection["rule"]
    out["list"] = rule["path"].split(".")[1].split("[")[0] if rule else ""
    if "untouched" in connection:
        out["split"] = [[ORIGINAL, "", 1, ""]]
        out["settings"] = {}
        return out
    rows = []
    for share in connection["routes"][0]["split"]:
        why = why_of(share["why"]) if "why" in share else ""
        nameless = share["endpoint"] == ORIGINAL or why == "black hole"
        rows.append((share["endpoint"], "" if nameless else share["cluster"], share["p"], why))
    out["split"] = merge(rows)
    out["settings"] = connection["clusters"]
    return out


def near(left, right):
    return len(left) == len(right) and all(
        a[0] == b[0] and a[1] == b[1] and a[3] == b[3] and abs(a[2] - b[2]) < 1e-4
        for a, b in zip(left, right))


def key_of(entry):
    address = entry["address"]
    try:
        address = str(ipaddress.ip_network(address, strict=False))
    except ValueError:
        pass
    return (entry["host"], address, entry["port"])


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
        for field, value in settings.items():
            if have.get(field, 0) != value and "split" in entry:
                lines.append("%s %s: istio %s, vsplit %s" % (name, field, value, have.get(field)))
    if "verdict" in entry and entry["verdict"] not in ours["verdict"]:
        lines.append("no rule is said to be %s" % entry["verdict"])
    return lines


def differences(entries, answer):
    """Yields (entry, lines) for everything in which vsplit's answer is not the wanted one."""
    found = {}
    for connection in answer["connections"]:
        ours = given(connection)
        found.setdefault(key_of(ours), []).append(ours)
    by_key = {}
    for entry in entries:
        by_key.setdefault(key_of(entry), []).append(entry)
    for key, group in by_key.items():
        if key not in found:
            yield group[0], ["vsplit has no such address and port"]
            continue
        ours = found.pop(key)[0]
        kind = "http" if ours["list"] == "http" else "tcp"
        chosen = [each for each in group if each.get("list", kind) == kind]
        # One host may be two services, with one address: Istio has a listener for one of them.
        results = [faults(each, ours) for each in chosen]
        if results and all(results):
            yield chosen[0], results[0]
    for key, ours in found.items():
        yield ours[0], ["only vsplit has this address and port: %s" % json.dumps(ours[0]["split"])]
