#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Object sets out of a seed: small worlds in which names, ports and namespaces collide often.

    generate.py [--seed N] [--count N] [--yaml DIR | --lists DIR]

One JSON line per set: {"id", "objects", "source", "registry_only"}. The source is who connects:
namespace, labels, node, locality; registry_only is the mesh's outboundTrafficPolicy. The same seed gives the same set, whatever was made before it. Everything that is
made is meant to be admitted by Istio's validation; what it refuses is dropped by compare.py.
"""
import argparse
import json
import pathlib
import random

NAMESPACES = ["default", "prod", "istio-system"]
DOMAIN = "svc.cluster.local"
SERVICES = ["a", "b"]
EXTERNAL = ["ext.example.org", "api.example.org", "db.example.org"]
WILDCARD = "*.example.org"
SUBSETS = ["v1", "v2", "v3"]
NODES = {
    "n1": {"region": "eu", "zone": "eu-a", "subzone": "r1"},
    "n2": {"region": "eu", "zone": "eu-a", "subzone": "r2"},
    "n3": {"region": "eu", "zone": "eu-b"},
    "n4": {"region": "us", "zone": "us-a"},
}
PORTS = [
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "tcp", "port": 81, "targetPort": 8081},
    {"name": "web", "port": 82, "targetPort": 8082},
    {"name": "https", "port": 443, "targetPort": 8443},
    {"name": "grpc-x", "port": 83, "targetPort": 8083},
    {"name": "tls", "port": 84, "targetPort": "main"},
    {"name": "db", "port": 3306, "targetPort": 3306},
    {"name": "x", "port": 85, "targetPort": 8085, "appProtocol": "tcp"},
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53},
    {"name": "mongo", "port": 86},
]
STAMPS = ["2024-01-0%dT00:00:00Z" % day for day in range(1, 5)]
LABELS = {"region": "topology.kubernetes.io/region", "zone": "topology.kubernetes.io/zone",
          "subzone": "topology.istio.io/subzone"}
FAMILIES = ["4", "4", "4", "4", "46", "6"]


def slice_port(port):
    target = port.get("targetPort", port["port"])
    return {"name": port["name"], "port": 9000 if target == "main" else target,
            "protocol": port.get("protocol", "TCP")}


class World:
    """One set. Methods named after a kind add objects of it."""

    def __init__(self, seed, only=None):
        self.random = random.Random(seed)
        self.seed = seed
        self.objects = []
        self.services = {}  # host -> ports
        self.hosts = []
        self.entries = set()  # (namespace, host) of ServiceEntries
        self.stamped = self.chance(0.5)
        self.next_pod = 0

    # ---- drawing

    def chance(self, p):
        return self.random.random() < p

    def pick(self, what):
        return self.random.choice(what)

    def some(self, what, low, high):
        return self.random.sample(what, min(len(what), self.random.randint(low, high)))

    def add(self, api, kind, name, ns, spec=None, **rest):
        meta = {"name": name}
        if ns:
            meta["namespace"] = ns
        meta.update(rest.pop("meta", {}))
        if self.stamped:
            meta["creationTimestamp"] = self.pick(STAMPS)
        thing = {"apiVersion": api, "kind": kind, "metadata": meta}
        if spec is not None:
            thing["spec"] = spec
        thing.update(rest)
        self.objects.append(thing)
        return thing

    def istio(self, kind, name, ns, spec, **rest):
        return self.add("networking.istio.io/v1", kind, name, ns, spec, **rest)

    def port(self):
        known = [port["port"] for ports in self.services.values() for port in ports]
        return self.pick(known) if known and self.chance(0.85) else self.pick([80, 81, 9999])

    # ---- the cluster

    def nodes(self):
        for name, place in NODES.items():
            self.add("v1", "Node", name, "", None,
                     meta={"labels": {LABELS[part]: value for part, value in place.items()}})

    def pod(self, app, ns, version, family):
        self.next_pod += 1
        number = self.next_pod
        name = "%s-%d" % (app, number)
        labels = {"app": app, "version": version}
        if self.chance(0.1):
            labels["topology.istio.io/locality"] = self.pick(["eu.eu-b.r9", "us.us-a.r9", "eu"])
        node = self.pick(list(NODES))
        ips = {"4": "10.1.0.%d" % number, "6": "fd00:1::%x" % number}
        chosen = [ips[each] for each in family]
        self.add("v1", "Pod", name, ns, {"nodeName": node}, meta={"labels": labels},
                 status={"podIP": chosen[0], "podIPs": [{"ip": ip} for ip in chosen],
                         "phase": "Running",
                         "conditions": [{"type": "Ready",
                                         "status": "True" if self.chance(0.85) else "False"}]})
        return name, node, {each: ips[each] for each in family}

    def conditions(self):
        draw = self.random.random()
        if draw < 0.8:
            return {"ready": True, "serving": True, "terminating": False}
        if draw < 0.9:
            return {"ready": False, "serving": False, "terminating": False}
        return {"ready": False, "serving": True, "terminating": True}

    def slices(self, app, ns, ports, family, service):
        """Pods of one service and the EndpointSlices that list them, one for each family."""
        found = {"4": [], "6": []}
        for _ in range(self.random.choice([0, 1, 2, 2, 3, 3, 4])):
            # Of a service of two families some pods may have one alone.
            own = family[0] if len(family) > 1 and self.chance(0.15) else family
            name, node, ips = self.pod(app, ns, self.pick(SUBSETS), own)
            conditions = self.conditions()
            for each, ip in ips.items():
                endpoint = {"addresses": [ip], "conditions": conditions, "nodeName": node,
                            "targetRef": {"kind": "Pod", "name": name, "namespace": ns}}
                zone = NODES[node]["zone"]
                if self.chance(0.3):
                    endpoint["zone"] = zone
                found[each].append(endpoint)
        for each in family:
            self.add("discovery.k8s.io/v1", "EndpointSlice", "%s-%s" % (service, each), ns, None,
                     meta={"labels": {"kubernetes.io/service-name": service}},
                     addressType="IPv" + each, endpoints=found[each],
                     ports=[slice_port(port) for port in ports])

    def service(self, index, name, ns):
        host = "%s.%s.%s" % (name, ns, DOMAIN)
        draw = self.random.random()
        if draw < 0.06:
            target = self.pick(self.hosts or ["outside.example.net"])
            self.add("v1", "Service", name, ns, {"type": "ExternalName", "externalName": target})
            self.hosts.append(host)
            self.services[host] = []
            return
        family = self.pick(FAMILIES)
        ports = self.some(PORTS, 1, 3)
        spec = {"ports": ports, "selector": {"app": name}}
        ips = {"4": "10.96.0.%d" % (index + 1), "6": "fd00:96::%x" % (index + 1)}
        addresses = [ips[each] for each in family]
        if draw < 0.14:
            addresses = ["None"]
        spec["clusterIP"] = addresses[0]
        spec["clusterIPs"] = addresses
        if self.chance(0.1):
            spec["internalTrafficPolicy"] = "Local"
        if self.chance(0.15):
            spec["trafficDistribution"] = self.pick(
                ["PreferClose", "PreferSameZone", "PreferSameNode"])
        meta = {}
        if self.chance(0.2):
            meta["annotations"] = {"networking.istio.io/exportTo":
                                   self.pick([".", "*", "prod", "default", "~", "~"])}
        self.add("v1", "Service", name, ns, spec, meta=meta)
        self.hosts.append(host)
        self.services[host] = ports
        self.slices(name, ns, ports, family, name)

    # ---- ServiceEntries

    def workload(self, number, resolution, ports):
        address = "10.2.0.%d" % number
        if resolution.startswith("DNS") and self.chance(0.5):
            address = "backend%d.example.net" % number
        entry = {"address": address}
        if self.chance(0.7):
            entry["labels"] = {"version": self.pick(SUBSETS), "app": "we"}
        if self.chance(0.3):
            entry["weight"] = self.pick([1, 2, 3, 10])
        if self.chance(0.4):
            entry["locality"] = self.pick(["eu/eu-a/r1", "eu/eu-a", "eu/eu-b", "us/us-a", "eu"])
        if ports and self.chance(0.3):
            entry["ports"] = {self.pick(ports)["name"]: 7000 + number}
        return entry

    def service_entry(self, index):
        ns = self.pick(NAMESPACES[:2])
        resolution = self.pick(["STATIC", "STATIC", "STATIC", "NONE", "DNS", "DNS_ROUND_ROBIN"])
        free = [host for host in EXTERNAL if (ns, host) not in self.entries]
        hosts = self.some(free, 1, 2 if self.chance(0.15) else 1)
        if self.chance(0.25) and resolution in ("NONE", "STATIC") and \
                (ns, WILDCARD) not in self.entries:
            hosts = [WILDCARD]
        self.entries.update((ns, host) for host in hosts)
        ports = []
        for port in self.some([("tcp", 81, "TCP"), ("http", 80, "HTTP"), ("tls", 443, "TLS"),
                               ("web", 82, ""), ("mongo", 86, "MONGO"), ("https", 84, "HTTPS")],
                              1, 2):
            entry = {"name": port[0], "number": port[1]}
            if port[2]:
                entry["protocol"] = port[2]
            if self.chance(0.25):
                entry["targetPort"] = 9000 + port[1]
            ports.append(entry)
        spec = {"hosts": hosts, "ports": ports, "resolution": resolution,
                "location": self.pick(["MESH_EXTERNAL", "MESH_INTERNAL"])}
        if resolution in ("STATIC", "NONE") and self.chance(0.85):
            spec["addresses"] = self.some(
                ["10.3.0.%d" % (index + 1), "10.3.0.0/24", "10.3.0.0/16", "10.3.1.%d" % (index + 1),
                 "10.3.0.%d/32" % (index + 101)], 1, 2)
        elif resolution.startswith("DNS") and self.chance(0.8):
            spec["addresses"] = ["10.3.2.%d" % (index + 1)]
        if resolution == "STATIC":
            if self.chance(0.3):
                spec["workloadSelector"] = {"labels": {"app": self.pick(["we", "a", "b"])}}
            else:
                spec["endpoints"] = [self.workload(10 * index + i, resolution, ports)
                                     for i in range(self.random.randint(0, 3))]
        elif resolution == "DNS" and self.chance(0.7):
            spec["endpoints"] = [self.workload(10 * index + i, resolution, ports)
                                 for i in range(self.random.randint(1, 3))]
        elif resolution == "DNS_ROUND_ROBIN" and self.chance(0.4):
            spec["endpoints"] = [self.workload(10 * index, resolution, ports)]
        if self.chance(0.2):
            spec["exportTo"] = [self.pick([".", "*", "prod", "default", "~", "~"])]
        self.istio("ServiceEntry", "se%d" % index, ns, spec)
        for host in hosts:
            self.hosts.append(host)
            self.services.setdefault(host, []).extend(
                {"name": port["name"], "port": port["number"]} for port in ports)

    def workload_entries(self):
        for i in range(self.random.randint(1, 3)):
            entry = self.workload(200 + i, "STATIC", [])
            entry.setdefault("labels", {"app": "we", "version": "v1"})
            entry["ports"] = {self.pick(["tcp", "http"]): 7100 + i} if self.chance(0.3) else None
            entry = {key: value for key, value in entry.items() if value}
            self.istio("WorkloadEntry", "we%d" % i, self.pick(NAMESPACES[:2]), entry)

    # ---- rules

    def host_for(self, ns, wildcards):
        """A host as someone in this namespace would write it."""
        draw = self.random.random()
        if wildcards and draw < 0.15:
            return self.pick(["*.%s.%s" % (self.pick(NAMESPACES[:2]), DOMAIN), "*." + DOMAIN,
                              "*.example.org", "*.cluster.local"])
        if wildcards and WILDCARD in self.hosts and draw < 0.4:
            return self.pick([WILDCARD, "ext.example.org", "a.ext.example.org", "*.ext.example.org"])
        if draw < 0.2:
            return self.pick(["missing", "missing.example.org", "a.prod"])
        host = self.pick(self.hosts)
        if host.endswith(".%s.%s" % (ns, DOMAIN)) and self.chance(0.5):
            return host.split(".")[0]
        return host

    def destination(self, ns, target):
        host = target if self.chance(0.6) else self.host_for(ns, False)
        if host.startswith("*"):
            host = self.host_for(ns, False)
        out = {"host": host}
        if self.chance(0.65):
            out["subset"] = self.pick(SUBSETS)
        if self.chance(0.3):
            ports = self.services.get(host) or self.pick(list(self.services.values())) or PORTS
            out["port"] = {"number": self.pick(ports)["port"] if self.chance(0.9) else 9999}
        return out

    def routes(self, ns, target):
        count = self.random.choice([1, 1, 2, 2, 2, 3])
        out = [{"destination": self.destination(ns, target)} for _ in range(count)]
        weights = [self.pick([0, 0, 1, 2, 3, 10, 50, 90, 100]) for _ in out]
        if count > 1 and sum(weights) == 0:
            weights[-1] = 7
        for route, weight in zip(out, weights):
            if weight or self.chance(0.3):
                route["weight"] = weight
        return out

    def source_conditions(self, match):
        if self.chance(0.35):
            match["port"] = self.port()
        if self.chance(0.3):
            match["sourceLabels"] = self.pick(
                [{"app": "web"}, {"app": "batch"}, {"app": "web", "version": "v1"},
                 {"topology.kubernetes.io/zone": "eu-a"}, {"topology.kubernetes.io/region": "us"},
                 {"kubernetes.io/hostname": "n1"}])
        if self.chance(0.15):
            match["sourceNamespace"] = self.pick(NAMESPACES[:2])
        if self.chance(0.06):
            match["gateways"] = self.pick([["mesh"], ["gw"], ["gw", "mesh"]])
        return match

    def http_match(self, of_request=0.2):
        match = self.source_conditions({})
        if self.chance(of_request):
            match.update(self.pick([
                {"uri": {"prefix": "/api"}}, {"uri": {"prefix": "/"}}, {"uri": {"regex": ".*"}},
                {"uri": {"exact": "/x"}}, {"headers": {"end-user": {"exact": "me"}}},
                {"method": {"exact": "GET"}}, {"queryParams": {"q": {"exact": "1"}}},
                {"withoutHeaders": {"x": {"exact": "1"}}}, {"scheme": {"exact": "http"}},
                {"authority": {"exact": "a"}}, {"ignoreUriCase": True},
                {"uri": {"prefix": "/"}, "ignoreUriCase": True}]))
        return match

    def string_match(self):
        """Few texts, some of which begin with others."""
        return self.pick([{"exact": "/a"}, {"exact": "/ab"}, {"prefix": "/"}, {"prefix": "/a"},
                          {"prefix": "/ab"}, {"regex": ".*"}, {"regex": "/a.*"}])

    def delegated_match(self):
        """A match of a root or its delegate: both are often about the same part of the request."""
        match = self.http_match(0)
        field = self.pick(["uri", "uri", "method", "scheme", "authority", "headers",
                           "withoutHeaders", "queryParams", "ignoreUriCase", ""])
        if field in ("headers", "withoutHeaders", "queryParams"):
            match[field] = {self.pick(["x", "x", "z"]): self.string_match()}
        elif field == "ignoreUriCase":
            match[field] = True
        elif field:
            match[field] = self.string_match()
        return match

    def http_rule(self, ns, target):
        rule = {}
        if self.chance(0.55):
            rule["match"] = [self.http_match() for _ in range(self.random.choice([1, 1, 2]))]
            rule["match"] = [match for match in rule["match"] if match] or None
            if rule["match"] is None:
                del rule["match"]
        draw = self.random.random()
        if draw < 0.03:
            rule["redirect"] = {"uri": "/x"}
            return rule
        if draw < 0.06:
            rule["directResponse"] = {"status": 503}
            return rule
        rule["route"] = self.routes(ns, target)
        if self.chance(0.08):
            rule.update(self.pick([{"timeout": "5s"}, {"retries": {"attempts": 2}},
                                   {"fault": {"abort": {"httpStatus": 503, "percentage": {"value": 10}}}},
                                   {"rewrite": {"uri": "/y"}}]))
        return rule

    def l4_match(self):
        match = self.source_conditions({})
        if self.chance(0.12):
            match["destinationSubnets"] = self.some(
                ["10.96.0.0/16", "10.96.0.0/24", "10.96.0.1/32", "10.96.0.2", "10.3.0.0/16",
                 "10.3.0.0/24", "10.1.0.0/16", "fd00:96::/64"], 1, 2)
        return match

    def tcp_rule(self, ns, target):
        rule = {"route": self.routes(ns, target)}
        if self.chance(0.6):
            matches = [self.l4_match() for _ in range(self.random.choice([1, 1, 2]))]
            matches = [match for match in matches if match]
            if matches:
                rule["match"] = matches
        return rule

    def tls_rule(self, ns, target):
        match = self.l4_match()
        sni = target
        if sni.startswith("*") and self.chance(0.5):
            sni = "q" + sni[1:]
        match["sniHosts"] = [sni]
        return {"match": [match], "route": self.routes(ns, target)}

    def virtual_service(self, index):
        ns = self.pick(NAMESPACES if self.chance(0.2) else NAMESPACES[:2])
        target = self.host_for(ns, True)
        lists = [(name, make) for name, make, p in
                 (("http", self.http_rule, 0.65), ("tcp", self.tcp_rule, 0.55),
                  ("tls", self.tls_rule, 0.2)) if self.chance(p)] or [("http", self.http_rule)]
        if ("tls", self.tls_rule) in lists and "." not in target:
            target = "%s.%s.%s" % (target, ns, DOMAIN)  # sniHosts are compared as written
        hosts = [target]
        if self.chance(0.12):
            other = self.pick(self.hosts)
            if not other.startswith("*") and not target.startswith("*") and \
                    other.split(".")[0] != target.split(".")[0]:
                hosts.append(other)
        spec = {"hosts": hosts}
        for name, make in lists:
            spec[name] = [make(ns, target) for _ in range(self.random.choice([1, 1, 2, 3]))]
        draw = self.random.random()
        if draw < 0.05:
            spec["gateways"] = ["gw"]
        elif draw < 0.12:
            spec["gateways"] = ["mesh"] if self.chance(0.5) else ["gw", "mesh"]
        if self.chance(0.2):
            spec["exportTo"] = [self.pick([".", "*", "prod", "default"])]
        self.istio("VirtualService", "vs%d" % index, ns, spec)

    def delegate(self, index):
        """A root and the VirtualService it delegates to, sometimes in another namespace."""
        ns, other = self.pick(NAMESPACES[:2]), self.pick(NAMESPACES[:2])
        target = self.host_for(ns, False)
        name = "delegate%d" % index
        root = {"delegate": {"name": name}}
        if other != ns or self.chance(0.3):
            root["delegate"]["namespace"] = other
        make = self.delegated_match if self.chance(0.6) else self.http_match
        if self.chance(0.7):
            root["match"] = [match for match in
                             [make() for _ in range(self.random.choice([1, 1, 2]))] if match]
            if not root["match"]:
                del root["match"]
        if self.chance(0.1):
            root.update(self.pick([{"directResponse": {"status": 503}}, {"timeout": "5s"}]))
        rules = [root]
        if self.chance(0.7):
            rules.append({"route": self.routes(ns, target)})
        self.istio("VirtualService", "root%d" % index, ns, {"hosts": [target], "http": rules})
        if self.chance(0.9):
            rules = [self.http_rule(other, target) for _ in range(self.random.randint(1, 2))]
            for rule in rules:
                if make == self.delegated_match and "route" in rule and self.chance(0.8):
                    rule["match"] = [match for match in [make()] if match]
            spec = {"http": rules}
            if self.chance(0.25):
                spec["exportTo"] = [self.pick([".", "*", "prod", "default"])]
            self.istio("VirtualService", name, other, spec)

    # ---- DestinationRules

    def locality_setting(self):
        draw = self.random.random()
        if draw < 0.3:
            return {"distribute": [{"from": self.pick(["eu/*", "eu/eu-a/*", "us/*", "*"]),
                                    "to": self.pick([{"eu/eu-a/*": 80, "eu/eu-b/*": 20},
                                                     {"us/*": 100}, {"eu/*": 70, "us/*": 30}])}]}
        if draw < 0.55:
            return {"failover": [{"from": "eu", "to": "us"}]}
        if draw < 0.9:
            return {"failoverPriority": self.pick([
                [LABELS["region"], LABELS["zone"]], [LABELS["region"]], ["version"],
                ["version=v2"], [LABELS["region"], LABELS["zone"], LABELS["subzone"]],
                ["topology.istio.io/network", LABELS["region"]], ["kubernetes.io/hostname"]])}
        return {"enabled": self.chance(0.5)}

    def load_balancer(self):
        draw = self.random.random()
        if draw < 0.4:
            out = {"simple": self.pick(["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PASSTHROUGH",
                                        "LEAST_CONN", "UNSPECIFIED"])}
        elif draw < 0.7:
            out = {"consistentHash": self.pick([{"useSourceIp": True}, {"useSourceIp": True},
                                                {"useSourceIp": True, "maglev": {"tableSize": 101}},
                                                {"httpHeaderName": "x"},
                                                {"httpQueryParameterName": "q"}])}
        else:
            out = {"simple": "ROUND_ROBIN"}
        if self.chance(0.4):
            out["localityLbSetting"] = self.locality_setting()
        if self.chance(0.08):
            out["warmup"] = {"duration": "30s"}
        return out

    def settings(self):
        out = {}
        if self.chance(0.5):
            out["loadBalancer"] = self.load_balancer()
        if self.chance(0.3):
            out["connectionPool"] = {"tcp": self.pick([
                {"maxConnections": 3}, {"connectTimeout": "2s"}, {"idleTimeout": "60s"},
                {"maxConnections": 7, "connectTimeout": "500ms"},
                {"tcpKeepalive": {"time": "60s", "interval": "5s", "probes": 4}}])}
        if self.chance(0.35):
            out["outlierDetection"] = self.pick([
                {"consecutive5xxErrors": 3}, {"consecutiveGatewayErrors": 2},
                {"consecutive5xxErrors": 0}, {"interval": "5s", "baseEjectionTime": "10s"},
                {"minHealthPercent": 40}, {"maxEjectionPercent": 100},
                {"splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 4}])
        if self.chance(0.05):
            out["tls"] = {"mode": self.pick(["DISABLE", "SIMPLE", "ISTIO_MUTUAL"])}
        return out

    def policy(self):
        out = self.settings()
        if self.chance(0.2):
            out["portLevelSettings"] = [
                dict(self.settings() or {"loadBalancer": {"simple": "RANDOM"}},
                     port={"number": number}) for number in {self.port(), self.port()}]
        return out

    def subset(self, name):
        draw = self.random.random()
        labels = {"version": name}
        if draw < 0.06:
            labels = None
        elif draw < 0.12:
            labels = {LABELS["zone"]: "eu-a"}
        elif draw < 0.15:
            labels = {"kubernetes.io/hostname": "n1"}
        out = {"name": name}
        if labels:
            out["labels"] = labels
        if self.chance(0.25):
            policy = self.policy()
            if policy:
                out["trafficPolicy"] = policy
        return out

    def destination_rule(self, index):
        ns = self.pick(NAMESPACES if self.chance(0.3) else NAMESPACES[:2])
        spec = {"host": self.host_for(ns, True)}
        subsets = [self.subset(name) for name in self.some(SUBSETS, 0, 3)]
        if subsets:
            spec["subsets"] = subsets
        if self.chance(0.5):
            policy = self.policy()
            if policy:
                spec["trafficPolicy"] = policy
        if self.chance(0.1):
            spec["workloadSelector"] = {"matchLabels": {"app": self.pick(["web", "batch"])}}
        elif self.chance(0.2):
            spec["exportTo"] = [self.pick([".", "*", "prod", "default"])]
        self.istio("DestinationRule", "dr%d" % index, ns, spec)

    def sidecar(self, index):
        ns = self.pick(NAMESPACES)
        spec = {"egress": [{"hosts": self.some(
            ["./*", "*/*", "prod/*", "default/*", "*/a.default." + DOMAIN, "*/ext.example.org",
             "default/*.default." + DOMAIN, "~/*", "istio-system/*", "prod/b.prod." + DOMAIN],
            1, 3)}]}
        if self.chance(0.15):
            spec["egress"].insert(0, {"port": {"number": self.pick([80, 81, 82]), "name": "x",
                                              "protocol": self.pick(["HTTP", "TCP"])},
                                      "hosts": [self.pick(["./*", "*/*", "prod/*"])]})
        if self.chance(0.4):
            spec["workloadSelector"] = {"labels": {"app": self.pick(["web", "batch"])}}
        if self.chance(0.25):
            spec["outboundTrafficPolicy"] = {"mode": self.pick(["ALLOW_ANY", "REGISTRY_ONLY"])}
        self.istio("Sidecar", "sidecar%d" % index, ns, spec)

    # ---- all of it

    def source(self):
        node = self.pick(list(NODES))
        place = NODES[node]
        out = {"namespace": self.pick(["default", "default", "prod"]),
               "labels": self.pick([{"app": "web"}, {"app": "batch"},
                                    {"app": "web", "version": "v1"}, {"app": "x"}]),
               "node": node, "ip": "10.255.255.254,fd00::fffe"}
        parts = [place.get(part, "") for part in ("region", "zone", "subzone")]
        out["locality"] = "/".join(parts).rstrip("/")
        return out

    def build(self):
        self.nodes()
        chosen = self.some([(name, ns) for ns in NAMESPACES[:2] for name in SERVICES], 1, 3)
        for index, (name, ns) in enumerate(chosen):
            self.service(index, name, ns)
        if self.chance(0.4):
            for index in range(self.random.randint(1, 2)):
                self.service_entry(index)
            if self.chance(0.5):
                self.workload_entries()
        for index in range(self.random.choice([0, 1, 2, 2, 3, 3, 4])):
            self.virtual_service(index)
        if self.chance(0.15):
            self.delegate(0)
        for index in range(self.random.choice([0, 1, 2, 2, 3, 4])):
            self.destination_rule(index)
        if self.chance(0.12):
            for index in range(self.random.randint(1, 2)):
                self.sidecar(index)
        # Order tells nothing, and must not.
        self.random.shuffle(self.objects)
        case = {"id": "seed-%d" % self.seed, "objects": self.objects, "source": self.source()}
        if self.chance(0.12):
            case["registry_only"] = True
        return case


def generate(seed):
    return World(seed).build()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first set")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--yaml", type=pathlib.Path, metavar="DIR",
                        help="write files of documents, the first of them the oracle's Source")
    parser.add_argument("--lists", type=pathlib.Path, metavar="DIR",
                        help="write files of one List, as seeds for tests/fuzz/resolve_fuzz")
    options = parser.parse_args()
    for seed in range(options.seed, options.seed + options.count):
        case = generate(seed)
        if options.yaml:
            source = {"apiVersion": "oracle/v1", "kind": "Source"} | case["source"]
            text = "\n---\n".join(json.dumps(each) for each in [source] + case["objects"])
            (options.yaml / (case["id"] + ".yaml")).write_text(text + "\n")
        elif options.lists:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": case["objects"]})
            (options.lists / (case["id"] + ".json")).write_text(text)
        else:
            print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    main()
