# SPDX-License-Identifier: Apache-2.0
"""Istio's records, read: where a connection of the bytes in question ends, and how."""
import ipaddress
import json

ORIGINAL = "original destination"
UNTOUCHED = [[ORIGINAL, "", 1, ""]]
DOMAIN = "svc.cluster.local"
HTTP = {"HTTP", "HTTP2", "GRPC", "GRPC-Web", "HTTP_PROXY"}
TLS = {"HTTPS", "TLS"}
DEFAULT_TIMEOUT_MS = 10000  # of the mesh; here the kernel's own stays
ANY = "0.0.0.0/0"
UNDECLARED = "UnsupportedProtocol"


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


def without_address(case, record):
    """Whether the address is one of an endpoint, of a ServiceEntry that gives none of its own."""
    given = None
    for thing in case["objects"]:
        if thing["kind"] == "ServiceEntry" and record["host"] in thing["spec"]["hosts"] and \
                record["namespace"] == thing["metadata"].get("namespace", "default"):
            given = (given or []) + [network_of(each)
                                     for each in thing["spec"].get("addresses", [])]
    return given is not None and network_of(record["address"]) not in given
