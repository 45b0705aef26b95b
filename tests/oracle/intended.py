# SPDX-License-Identifier: Apache-2.0
"""Where vsplit is meant to differ from Istio: DIFFERENCES is the one list of it, each a function of
the set and of Istio's records alone. README.md says why."""
import ipaddress

import records


def addresses_of(thing):
    """What a Service or ServiceEntry is dialled on, with its ports."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Service":
        found = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
        return ([records.network_of(each) for each in found],
                [port["port"] for port in spec.get("ports", [])])
    if thing["kind"] == "ServiceEntry":
        return ([records.network_of(each) for each in spec.get("addresses", [])],
                [port["number"] for port in spec.get("ports", [])])
    return [], []


def shared(case, record, _):
    """Several services have this address and port: one of them gets the connections."""
    network, owners = records.network_of(record["address"]), 0
    for thing in case["objects"]:
        addresses, ports = addresses_of(thing)
        anywhere = thing["kind"] == "ServiceEntry" and not addresses and network.num_addresses > 1
        if (network in addresses or anywhere) and record["port"] in ports:
            owners += len(thing["spec"].get("hosts", ["it"]))
    return owners > 1


def sniffed_range(_, record, entry):
    """Another service has the listener for all addresses of the port already: Istio finds this one
    by its Host header, and leaves other bytes alone."""
    return record["declared"] == records.UNDECLARED and record["visible"] and \
        record["sniffed"] and record["protocol"] == "tcp" and record["via"].startswith("0.0.0.0_") and \
        entry.get("split") in (records.UNTOUCHED, [["", "", 1, "black hole"]])


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
        hosts = ["%s.%s.%s" % (thing["metadata"]["name"], own, records.DOMAIN)] \
            if thing["kind"] == "Service" else thing.get("spec", {}).get("hosts", [])
        if thing["kind"] in ("Service", "ServiceEntry") and record["host"] in hosts and \
                thing["metadata"].get("namespace", "default") == own:
            words = exports_of(thing)
            if not words or "*" in words or ns in words or ("." in words and ns == own):
                return True
    return not case["objects"]


def captured(case, record, entry):
    """The client cannot dial the service, but another one that is found by that name."""
    route = records.route_of(record)
    by_name = record["protocol"] == "http" or (
        record["protocol"] == "tls" and route is not None and "sni" in (route["match"] or {}))
    return by_name and not (record["visible"] and is_exported(case, record)) and \
        record["via"].startswith("0.0.0.0_") and \
        not record["via"].endswith((" allow_any", " block_all")) and \
        entry.get("split") not in (records.UNTOUCHED, [["", "", 1, "black hole"]])


def encrypts(_, record, __):
    """A DestinationRule makes the proxy start TLS, on a route that is decided here."""
    route = records.route_of(record)
    return not needs_request(None, record, None) and route is not None and any(
        record["clusters"][each["name"]].get("tls") for each in route["clusters"])


def leave(_, __, entry):
    return dict(entry, split=records.UNTOUCHED, settings={})


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
    route = records.route_of(record)
    hosts = {each["name"].rpartition("|")[2] for each in route["clusters"]} if route else set()
    for thing in case["objects"]:
        meta = thing["metadata"]
        if thing["kind"] == "Service" and "~" in exports_of(thing) and "%s.%s.%s" % (
                meta["name"], meta.get("namespace", "default"), records.DOMAIN) in hosts:
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
        name != record["host"] and records.covers(record["host"], name)
        for route in record["routes"] if route is not chosen
        for name in (route["match"] or {}).get("sni") or [])


def is_open(route):
    """Whether every request takes the route: Envoy is also told so by a regex of the path."""
    return route["match"] in (None, {"safe_regex": {"regex": ".*"}})


def needs_request(_, record, __):
    route = records.route_of(record)
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
    version = records.network_of(record["address"]).version
    return any(ip_of(row[0]) and ip_of(row[0]).version != version
               for row in entry.get("split", []))


def effective(weight, healthy, size):
    """Envoy's health of a level or a locality, with its overprovisioning factor of 1.4."""
    return weight * min(1, 1.4 * healthy / size) if size else 0


def spread(cluster, members):
    """[(member, probability)]: Envoy's priorities, localities and weights, among the healthy ones
    of these endpoints and the unhealthy ones of the cluster."""
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
    version = records.network_of(record["address"]).version
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

    rows = [row for row in entry["split"] if not row[0] or row[0] == records.ORIGINAL]
    for name in {row[1] for row in entry["split"] if row[0] and row[0] != records.ORIGINAL}:
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
    return dict(entry, split=records.merge(rows))


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
