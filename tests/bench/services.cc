// SPDX-License-Identifier: Apache-2.0
#include "services.h"

#include <fmt/core.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace vsplit::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string Block(const Json& map, const std::string& indent);

std::string Scalar(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Items(const Json& list, const std::string& indent) {
  std::string text;
  for (const Json& item : list) {
    std::string block =
        item.is_object() ? Block(item, indent + "  ") : indent + "  " + Scalar(item) + "\n";
    block[indent.size()] = '-';
    text += block;
  }
  return text;
}

// The lines of YAML in block style, as tools print it. No text here needs quotes.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the objects below
std::string Block(const Json& map, const std::string& indent) {
  std::string text;
  for (const auto& [key, value] : map.items()) {
    text += indent + key + ":";
    if (value.is_object()) {
      text += "\n" + Block(value, indent + "  ");
    } else if (value.is_array()) {
      text += "\n" + Items(value, indent);
    } else {
      text += " " + Scalar(value) + "\n";
    }
  }
  return text;
}

std::string Document(const Json& object) {
  return "---\n" + Block(object, "");
}

std::string NameOf(int service) {
  return fmt::format("service-{}", service);
}

std::string HostOf(int service) {
  return NameOf(service) + ".default.svc.cluster.local";
}

std::string PodIp(int service, int endpoint) {
  return fmt::format("10.{}.{}.{}", 1 + service / 256, service % 256, 1 + endpoint);
}

// With the metadata that it has beside its name.
Json Named(const char* version, const char* kind, const std::string& name,
           const Json& more = Json::object()) {
  Json metadata{{"name", name}, {"namespace", "default"}};
  metadata.update(more);
  return {{"apiVersion", version}, {"kind", kind}, {"metadata", metadata}};
}

Json Service(int service) {
  Json object = Named("v1", "Service", NameOf(service));
  object["spec"] = {
      {"clusterIP", fmt::format("172.16.{}.{}", service / 256, service % 256)},
      {"selector", {{"app", NameOf(service)}}},
      {"ports", {{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", 8080}}}}};
  return object;
}

Json Slice(int service, bool first_ready, int endpoints) {
  Json object = Named("discovery.k8s.io/v1", "EndpointSlice", NameOf(service) + "-1",
                      {{"labels", {{"kubernetes.io/service-name", NameOf(service)}}}});
  object["addressType"] = "IPv4";
  object["ports"] = {{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}};
  for (int endpoint = 0; endpoint < endpoints; ++endpoint) {
    const bool ready = first_ready || endpoint > 0;
    object["endpoints"].push_back(
        {{"addresses", Json::array({PodIp(service, endpoint)})},
         {"conditions", {{"ready", ready}, {"serving", ready}, {"terminating", false}}},
         {"nodeName", fmt::format("node-{}", endpoint)},
         {"targetRef",
          {{"kind", "Pod"},
           {"name", fmt::format("{}-{}", NameOf(service), endpoint)},
           {"namespace", "default"}}}});
  }
  return object;
}

Json DestinationRule(int service) {
  Json object = Named("networking.istio.io/v1", "DestinationRule", NameOf(service));
  object["spec"] = {{"host", HostOf(service)}, {"subsets", Json::array()}};
  for (const char* subset : {"safe", "risky"}) {
    object["spec"]["subsets"].push_back({{"name", subset}, {"labels", {{"version", subset}}}});
  }
  return object;
}

Json Destination(int service, const char* subset) {
  return {{"destination", {{"host", HostOf(service)}, {"subset", subset}}}};
}

// `first_rules`: before the one that splits.
Json VirtualService(int service, int risky, Json first_rules = Json::array()) {
  Json split = Json::array({Destination(service, "safe"), Destination(service, "risky")});
  split[0]["weight"] = 100 - risky;
  split[1]["weight"] = risky;
  first_rules.push_back({{"route", split}});
  Json object = Named("networking.istio.io/v1", "VirtualService", NameOf(service));
  object["spec"] = {{"hosts", Json::array({HostOf(service)})}, {"http", first_rules}};
  return object;
}

Json Pod(int service, int endpoint) {
  Json object = Named(
      "v1", "Pod", fmt::format("{}-{}", NameOf(service), endpoint),
      {{"labels", {{"app", NameOf(service)}, {"version", endpoint % 2 == 0 ? "safe" : "risky"}}}});
  object["spec"] = {{"nodeName", fmt::format("node-{}", endpoint)}};
  object["status"] = {{"phase", "Running"}, {"podIPs", {{{"ip", PodIp(service, endpoint)}}}}};
  return object;
}

std::string ListOf(int first, int last, const std::function<void(int, Json&)>& add) {
  Json list{{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array()}};
  for (int service = first; service < last; ++service) {
    add(service, list["items"]);
  }
  return list.dump();
}

}  // namespace

std::string ServiceOf(int service) {
  return Document(Service(service));
}

std::string SliceOf(int service, bool first_ready, int endpoints) {
  return Document(Slice(service, first_ready, endpoints));
}

std::string DestinationRuleOf(int service) {
  return Document(DestinationRule(service));
}

std::string VirtualServiceOf(int service, int risky) {
  return Document(VirtualService(service, risky));
}

std::string VirtualServiceBySource(int service, int risky) {
  const Json match{{"sourceLabels", {{"team", "red"}}}};
  const Json rule{{"match", Json::array({match})},
                  {"route", Json::array({Destination(service, "risky")})}};
  return Document(VirtualService(service, risky, Json::array({rule})));
}

std::string PodOf(int service, int endpoint) {
  return Document(Pod(service, endpoint));
}

std::string PodsOf(int service) {
  std::string text;
  for (int endpoint = 0; endpoint < kEndpoints; ++endpoint) {
    text += PodOf(service, endpoint);
  }
  return text;
}

std::string ClientPodOf(int pod) {
  const std::string name = fmt::format("client-{}", pod);
  Json object = Named("v1", "Pod", name);
  object["metadata"]["namespace"] = fmt::format("clients-{}", pod % 3);
  object["metadata"]["uid"] = fmt::format("00000000-0000-0000-0000-{:012}", pod);
  object["metadata"]["labels"] = {{"app", name}, {"team", pod % 2 == 0 ? "red" : "blue"}};
  object["spec"] = {{"nodeName", kClientNode}};
  object["status"] = {
      {"phase", "Running"},
      {"podIPs", {{{"ip", fmt::format("10.255.{}.{}", pod / 250, 1 + pod % 250)}}}}};
  return Document(object);
}

std::string RulesOf(int service) {
  return ServiceOf(service) + SliceOf(service) + DestinationRuleOf(service) +
         VirtualServiceOf(service);
}

std::string PodListOf(int first, int last) {
  return ListOf(first, last, [](int service, Json& items) {
    for (int endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      items.push_back(Pod(service, endpoint));
    }
  });
}

std::string RuleListOf(int first, int last) {
  return ListOf(first, last, [](int service, Json& items) {
    for (const Json& object : {Service(service), Slice(service, true, kEndpoints),
                               DestinationRule(service), VirtualService(service, 10)}) {
      items.push_back(object);
    }
  });
}

}  // namespace vsplit::bench
