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
settings  by cluster: algorithm, limits, ejection, panic, warmup; what is 0 is left out
because   names of DIFFERENCES that changed the entry

What is absent is not compared. DIFFERENCES is the one list of where vsplit is meant to differ from
Istio; each is a function of the set and of Istio's records alone.
"""
import ipaddress
import json
import os
import subprocess

ORIGINAL = "original destination"
UNTOUCHED = [[ORIGINAL, "", 1, ""]]
DOMAIN = "svc.cluster.local"
HTTP = {"HTTP", "HTTP2", "GRPC", "GRPC-Web", "HTTP_PROXY"}
TLS = {"HTTPS", "TLS"}
DEFAULT_TIMEOUT_MS = 10000  # of the mesh; here the kernel's own stays
ANY = "0.0.0.0/0"
UNDECLARED = "UnsupportedProtocol"


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


def algorithm_of(cluster, route):
    """Where the route hashes nothing, or something in the request, there is nothing to hash here:
    a random choice, in which weights count. Where there are any, taking turns has their shares."""
    algorithm = ALGORITHMS[cluster["lb_policy"]]
    policy = route.get("l7", {}).get("hash_policy")
    if algorithm != "maglev" or "source_ip" in json.dumps(policy):
        return algorithm
    weighs = any(each["weight"] != 1 for each in cluster["endpoints"]
                 if each["health"] == "HEALTHY")
    return "round_robin" if weighs else "random"


def ejection_of(cluster):
    """[failures, interval, base, percent]: after how many failed connections in a row an endpoint is
    ejected; times in ms. 0: never. What is absent is Envoy's default."""
    given_by = cluster.get("outlier_detection")
    if given_by is None:
        return 0

    def counted(name, enforced):
        failures = given_by.get("consecutive_" + name, 5)
        return failures if given_by.get("enforcing_consecutive_" + name, enforced) else 0
    if given_by.get("split_external_local_origin_errors"):
        counts = [counted("local_origin_failure", 100)]
    else:
        counts = [counted("5xx", 100), counted("gateway_failure", 0)]
    failures = min((each for each in counts if each), default=0)
    return failures and [failures, milliseconds(given_by.get("interval", "10s")),
                         milliseconds(given_by.get("base_ejection_time", "30s")),
                         given_by.get("max_ejection_percent", 10)]


def settings_of(record, route):
    out = {}
    for name, cluster in record["clusters"].items():
        if cluster.get("missing") or cluster.get("type") == "ORIGINAL_DST":
            continue
        if name.startswith("outbound|"):
            out[name] = {"max_connections": cluster.get("max_connections", 0),
                         "algorithm": algorithm_of(cluster, route)}
            warmup = (cluster.get("lb_config") or {}).get("slow_start_config")
            more = {"ejection": ejection_of(cluster),
                    "panic_percent": cluster.get("panic_threshold") or 0,
                    "warmup_ms": milliseconds(warmup["slow_start_window"]) if warmup else 0}
            out[name].update((field, value) for field, value in more.items() if value)
            timeout = milliseconds(cluster["connect_timeout"])
            if timeout != DEFAULT_TIMEOUT_MS:
                out[name]["connect_timeout_ms"] = timeout
    return out


def covers(pattern, name):
    return name.endswith(pattern[1:]) if pattern.startswith("*") else name == pattern


def route_of(record):
    """The route of a client that says the service's name in its TLS hello, else the first one."""
    best, rank = None, -1
    for route in record.get("routes") or []:
        names = (route["match"] or {}).get("sni") if record["protocol"] == "tls" else None
        if names is None:
            return best or route
        found = [len(name) + 1000 * (name[0] != "*") for name in names
                 if covers(name, record["host"])]
        if max(found, default=-1) > rank:
            best, rank = route, max(found)
    return best


def entry_of(case, record):
    """The entry that copies Istio's record, then what DIFFERENCES make of it."""
    entry = {"host": record["host"], "address": record["address"], "port": record["port"],
             "because": []}
    route = route_of(record)
    if record["declared"] == UNDECLARED:
        entry["list"] = record["protocol"]
    if route:
        entry["split"] = split_of(route)
        entry["settings"] = settings_of(record, route)
    for name, applies, change in DIFFERENCES:
        if applies(case, record, entry):
            entry["because"].append(name)
            entry = change(case, record, entry)
    return {key: value for key, value in entry.items() if value not in ([], {})}


def network_of(address):
    """None for "", "None" and for names, which some hosts have instead of an address."""
    try:
        return ipaddress.ip_network(address, strict=False)
    except ValueError:
        return None


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
        if not record["declared"] or not decides(record):
            continue
        if without_address(case, record):
            if record["declared"] in HTTP | TLS or record["protocol"] == "http":
                continue  # only a Host header or the name in a TLS hello leads there
            record = dict(record, address=ANY)
        if network_of(record["address"]) is None:
            continue
        entry = entry_of(case, record)
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


def without_address(case, record):
    """Whether the address is one of an endpoint, of a ServiceEntry that gives none of its own."""
    given = None
    for thing in case["objects"]:
        if thing["kind"] == "ServiceEntry" and record["host"] in thing["spec"]["hosts"] and \
                record["namespace"] == thing["metadata"].get("namespace", "default"):
            given = (given or []) + [network_of(each)
                                     for each in thing["spec"].get("addresses", [])]
    return given is not None and network_of(record["address"]) not in given


def addresses_of(thing):
    """What a Service or ServiceEntry is dialled on, with its ports."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Service":
        found = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
        return [network_of(each) for each in found], [port["port"] for port in spec.get("ports", [])]
    if thing["kind"] == "ServiceEntry":
        return ([network_of(each) for each in spec.get("addresses", [])],
                [port["number"] for port in spec.get("ports", [])])
    return [], []


def shared(case, record, _):
    """Several services have this address and port: one of them gets the connections."""
    network, owners = network_of(record["address"]), 0
    for thing in case["objects"]:
        addresses, ports = addresses_of(thing)
        anywhere = thing["kind"] == "ServiceEntry" and not addresses and network.num_addresses > 1
        if (network in addresses or anywhere) and record["port"] in ports:
            owners += len(thing["spec"].get("hosts", ["it"]))
    return owners > 1


def sniffed_range(_, record, entry):
    """Another service has the listener for all addresses of the port already: Istio finds this one
    by its Host header, and leaves other bytes alone."""
    return record["declared"] == UNDECLARED and record["visible"] and record["sniffed"] and \
        record["protocol"] == "tcp" and record["via"].startswith("0.0.0.0_") and \
        entry.get("split") in (UNTOUCHED, [["", "", 1, "black hole"]])


def exports_of(thing):
    if thing["kind"] == "Service":
        words = thing["metadata"].get("annotations", {}).get("networking.istio.io/exportTo", "")
        return words.split(",") if words else []
    return thing["spec"].get("exportTo", [])


def is_exported(case, record):
    """Whether any object of the host and namespace is exported to the client. A service that is
    not may be visible all the same, as the destination of a rule."""
    own, ns = record["namespace"], case.get("source", {}).get("namespace")
    for thing in case["objects"]:
        hosts = ["%s.%s.%s" % (thing["metadata"]["name"], own, DOMAIN)] \
            if thing["kind"] == "Service" else thing.get("spec", {}).get("hosts", [])
        if thing["kind"] in ("Service", "ServiceEntry") and record["host"] in hosts and \
                thing["metadata"].get("namespace", "default") == own:
            words = exports_of(thing)
            if not words or "*" in words or ns in words or ("." in words and ns == own):
                return True
    return not case["objects"]


def captured(case, record, entry):
    """The client cannot dial the service, but another one that is found by that name."""
    route = route_of(record)
    by_name = record["protocol"] == "http" or (
        record["protocol"] == "tls" and route is not None and "sni" in (route["match"] or {}))
    return by_name and not (record["visible"] and is_exported(case, record)) and \
        record["via"].startswith("0.0.0.0_") and \
        not record["via"].endswith((" allow_any", " block_all")) and \
        entry.get("split") not in (UNTOUCHED, [["", "", 1, "black hole"]])


def encrypts(_, record, __):
    """A DestinationRule makes the proxy start TLS, on a route that is decided here."""
    route = route_of(record)
    return not needs_request(None, record, None) and route is not None and any(
        record["clusters"][each["name"]].get("tls") for each in route["clusters"])


def leave(_, __, entry):
    return dict(entry, split=UNTOUCHED, settings={})


def leave_unseen(case, _, entry):
    """What the client does not see is left alone, or refused, as the policy of the mesh or of its
    Sidecar has it."""
    if case.get("registry_only") or any(thing["kind"] == "Sidecar" for thing in case["objects"]):
        return leave_open(None, None, entry)
    return leave(None, None, entry)


def leave_open(_, __, entry):
    return {key: value for key, value in entry.items() if key not in ("split", "settings")}


def unheard(case, record, _):
    """A destination is a Service annotated with "~": pilot takes no notice of its slices, and which
    endpoints it knows depends on the order in which it met the others."""
    route = route_of(record)
    hosts = {each["name"].rpartition("|")[2] for each in route["clusters"]} if route else set()
    for thing in case["objects"]:
        meta = thing["metadata"]
        if thing["kind"] == "Service" and "~" in exports_of(thing) and "%s.%s.%s" % (
                meta["name"], meta.get("namespace", "default"), DOMAIN) in hosts:
            return True
    return False


def blocked(_, record, __):
    return record["protocol"] == "http" and record["via"].endswith(" block_all")


def refuse(_, __, entry):
    """Istio answers the request with 502; here nobody gets that far."""
    return dict(entry, split=[["", "", 1, "black hole"]], settings={})


def divides_names(record, chosen):
    """Whether the service is a wildcard, and some of its names lead elsewhere by TLS rules."""
    return chosen is not None and (chosen["match"] or {}).get("sni") is not None and any(
        name != record["host"] and covers(record["host"], name)
        for route in record["routes"] if route is not chosen
        for name in (route["match"] or {}).get("sni") or [])


def is_open(route):
    """Whether every request takes the route: Envoy is also told so by a regex of the path."""
    return route["match"] in (None, {"safe_regex": {"regex": ".*"}})


def needs_request(_, record, __):
    route = route_of(record)
    if record["protocol"] == "tls":
        return record["host"].startswith("*") and divides_names(record, route)
    if record["protocol"] != "http" or blocked(None, record, None):
        return False
    return route is None or not is_open(route) or not route["clusters"]


def comes_out_the_same(record):
    """Whether the routes up to the first for every request lead to the same clusters: they may be
    the matches of one rule, which then is certain, or several rules."""
    routes = record.get("routes") or []
    return record["protocol"] == "http" and bool(routes) and is_open(routes[-1]) and all(
        route["clusters"] == routes[-1]["clusters"] != [] for route in routes)


def leave_to_service(_, record, entry):
    """The plain service, whose endpoints Istio's record may not show."""
    entry = leave_open(None, record, entry)
    if comes_out_the_same(record):
        return entry
    return dict(entry, verdict="not enforced", ruled=False)


def ip_of(endpoint):
    """The address in "10.1.0.1:80" and "[fd00::1]:80", or None where there is a name."""
    try:
        return ipaddress.ip_address(endpoint.rpartition(":")[0].strip("[]"))
    except ValueError:
        return None


def other_family(_, record, entry):
    version = network_of(record["address"]).version
    return any(ip_of(row[0]) and ip_of(row[0]).version != version
               for row in entry.get("split", []))


def effective(weight, healthy, size):
    """Envoy's health of a level or a locality, with its overprovisioning factor of 1.4."""
    return weight * min(1, 1.4 * healthy / size) if size else 0


def spread(cluster, members):
    """[(member, probability)]: Envoy's priorities, localities and weights, among the healthy ones of
    these endpoints and the unhealthy ones of the cluster."""
    sick = [each for each in cluster["endpoints"] if each["health"] != "HEALTHY"]
    levels = sorted({each["priority"] for each in members + sick})

    def within(some, **key):
        return [each for each in some if all(each[name] == key[name] for name in key)]

    def health(weight, **key):
        healthy = len(within(members, **key))
        return effective(weight, healthy, healthy + len(within(sick, **key)))

    def weight_of(each):
        return 1 if cluster["lb_policy"] == "RANDOM" else each["weight"]

    available = {level: health(1, priority=level) for level in levels}
    norm, left, out = min(1, sum(available.values())), 1, []
    for level in levels:
        load = min(left, available[level] / norm) if norm else 0
        left -= load
        parts = [within(members, priority=level)]
        if cluster.get("locality_lb") == "weighted":
            places = sorted({each["locality"] for each in parts[0]})
            parts = [within(parts[0], locality=place) for place in places]
        shares = [health(part[0]["locality_weight"] if len(parts) > 1 else 1, priority=level,
                         locality=part[0]["locality"]) if part else 0 for part in parts]
        for part, share in zip(parts, shares):
            total = sum(map(weight_of, part))
            out += [(each, load * share / sum(shares) * weight_of(each) / total)
                    for each in part if share]
    return out


def same_family(case, record, entry):
    """Connections keep their family: of a pod its address of that family, of others none. Those
    that are left share, by priority, place and weight."""
    version = network_of(record["address"]).version
    pods = {}
    for thing in case["objects"]:
        ips = [ipaddress.ip_address(each["ip"])
               for each in thing.get("status", {}).get("podIPs", [])]
        pods.update({ip: other for ip in ips for other in ips if other.version == version})

    def reached(member):
        """The same member at its address of the family; None: it has none."""
        try:
            ip = ipaddress.ip_address(member["address"])
        except ValueError:
            return member
        ip = ip if ip.version == version else pods.get(ip)
        return ip and dict(member, address=str(ip))

    rows = [row for row in entry["split"] if not row[0] or row[0] == ORIGINAL]
    for name in {row[1] for row in entry["split"] if row[0] and row[0] != ORIGINAL}:
        cluster = record["clusters"][name]
        share = sum(row[2] for row in entry["split"] if row[1] == name)
        healthy = [reached(each) for each in cluster["endpoints"] if each["health"] == "HEALTHY"]
        members = [each for each in healthy if each]
        at = "[%s]:%s" if version == 6 else "%s:%s"
        if not members:
            rows.append((str(), name, share, "no healthy endpoint"))
        for each, p in spread(cluster, members):
            form = at if ":" in each["address"] or version == 4 else "%s:%s"
            rows.append((form % (each["address"], each["port"]), name, share * p, ""))
    return dict(entry, split=merge(rows))


# Name, when, what becomes of the entry. README.md says why.
DIFFERENCES = [
    ("shared-address", shared, leave_open),
    ("sniffed-range", sniffed_range, leave_open),
    ("captured-port", captured, leave_unseen),
    ("blocked", blocked, refuse),
    ("needs-request", needs_request, leave_to_service),
    ("tls-origination", encrypts, leave),
    ("unheard-endpoints", unheard, leave_open),
    ("other-family", other_family, same_family),
]


# ---- vsplit's answer -----------------------------------------------------------------------------


BLACK_HOLE = "BlackHoleCluster"


def why_of(share):
    if "why" not in share:
        return ""
    if share["cluster"] == BLACK_HOLE:
        return "black hole"
    return "no healthy endpoint" if share["why"].startswith("no ready") else "unknown cluster"


def given(connection, address, verdicts):
    """One address of vsplit's connection in the form of an entry."""
    out = {"host": connection["host"], "address": address, "port": connection["port"],
           "verdict": [each["verdict"] for each in verdicts
                       if each["host"] == connection["host"]
                       and each["port"] in (0, connection["port"])]}
    rule = connection["rule"]
    out["ruled"] = bool(rule)
    out["list"] = rule["path"].split(".")[1].split("[")[0] if rule else ""
    if "untouched" in connection:
        out["split"] = UNTOUCHED
        out["settings"] = {}
        return out
    rows = []
    for share in connection["routes"][0]["split"]:
        why = why_of(share)
        nameless = share["endpoint"] == ORIGINAL or share["cluster"] == BLACK_HOLE
        rows.append((share["endpoint"], "" if nameless else share["cluster"], share["p"], why))
    out["split"] = merge(rows)
    out["settings"] = connection["clusters"]
    for settings in out["settings"].values():
        if "ejection" in settings:
            settings["ejection"] = [settings["ejection"][field] for field in (
                "failures", "interval_ms", "base_ms", "max_percent")]
    return out


def near(left, right):
    return len(left) == len(right) and all(
        a[0] == b[0] and a[1] == b[1] and a[3] == b[3] and abs(a[2] - b[2]) < 1e-4
        for a, b in zip(left, right))


def key_of(entry):
    return (entry["host"], str(network_of(entry["address"])), entry["port"])


def part_of(host, address, port, entry):
    """Subnets of rules divide the addresses of a service; Istio was asked about one of them."""
    return (entry["host"], entry["port"]) == (host, port) and \
        network_of(address).version == network_of(entry["address"]).version and \
        network_of(address).overlaps(network_of(entry["address"]))


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
    if "verdict" in entry and entry["verdict"] not in ours["verdict"]:
        lines.append("no rule is said to be %s" % entry["verdict"])
    if entry.get("ruled", ours["ruled"]) != ours["ruled"]:
        lines.append("a rule decides" if ours["ruled"] else "no rule decides")
    return lines


def unasked(case):
    """Hosts of which Istio was not asked about every address: headless, endpoints that are not
    ready have a listener there too."""
    return sorted("%s.%s.%s" % (thing["metadata"]["name"], thing["metadata"]["namespace"], DOMAIN)
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
    return best[1][0] if best else {"list": "", "split": UNTOUCHED, "settings": {}, "verdict": [],
                                    "ruled": False}


def differences(case, entries, answer):
    """Yields (entry, lines) for everything in which vsplit's answer is not the wanted one."""
    found = {}
    for connection in answer["connections"]:
        for address in connection["addresses"]:
            ours = given(connection, address, answer["verdicts"])
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
        if not near(ours[0]["split"], UNTOUCHED) and \
                not any(part_of(host, address, port, entry) for entry in entries):
            yield ours[0], ["only vsplit has this: %s" % json.dumps(ours[0]["split"])]
