// SPDX-License-Identifier: Apache-2.0
// The fields of Istio's API for those who describe it. Of messages that typed objects are read
// from, the tables of the readers know the names and their functions; the types are said here, and
// a test holds both together.
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "fields.h"
#include "schema.h"
#include "supported.h"
#include "vsplit/parse.h"

namespace vsplit {
namespace {

using parse::MessageType;

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kRead = std::to_array<MessageType>({
    {"ClientTLSSettings",
     "mode:DISABLE|SIMPLE|MUTUAL|ISTIO_MUTUAL clientCertificate:string privateKey:string "
     "caCertificates:string credentialName:string subjectAltNames:*string sni:string "
     "insecureSkipVerify:bool caCrl:string",
     ""},
    {"ConsistentHashLB",
     "httpHeaderName:string httpCookie:HTTPCookie useSourceIp:bool httpQueryParameterName:string "
     "minimumRingSize:count ringHash:RingHash maglev:MagLev",
     ""},
    {"Delegate", "name:string namespace:string", ""},
    {"DestinationRule",
     "!host:string trafficPolicy:TrafficPolicy subsets:*Subset exportTo:*string "
     "workloadSelector:SubsetSelector",
     ""},
    {"Distribute", "from:string to:%uint32", ""},
    {"HTTPMatchRequest",
     "name:string statPrefix:string port:uint32 gateways:*string sourceLabels:%string "
     "sourceNamespace:string uri:StringMatch ignoreUriCase:bool scheme:StringMatch "
     "method:StringMatch authority:StringMatch headers:%StringMatch withoutHeaders:%StringMatch "
     "queryParams:%StringMatch",
     ""},
    {"HTTPRoute",
     "name:string match:*HTTPMatchRequest route:*HTTPRouteDestination delegate:Delegate "
     "redirect:HTTPRedirect directResponse:HTTPDirectResponse rewrite:HTTPRewrite timeout:duration "
     "retries:HTTPRetry fault:HTTPFaultInjection mirror:Destination mirrors:*HTTPMirrorPolicy "
     "mirrorPercent:uint32 mirror_percent:uint32 mirrorPercentage:Percent corsPolicy:CorsPolicy "
     "headers:Headers",
     ""},
    {"HTTPRouteDestination", "!destination:Destination weight:count headers:Headers", ""},
    {"IstioEgressListener",
     "port:SidecarPort bind:string captureMode:DEFAULT|IPTABLES|NONE !hosts:*string", ""},
    {"L4MatchAttributes",
     "destinationSubnets:*string port:uint32 sourceSubnet:string sourceLabels:%string "
     "gateways:*string sourceNamespace:string",
     ""},
    {"LoadBalancerSettings",
     "simple:UNSPECIFIED|LEAST_CONN|RANDOM|PASSTHROUGH|ROUND_ROBIN|LEAST_REQUEST "
     "consistentHash:ConsistentHashLB localityLbSetting:LocalityLoadBalancerSetting "
     "warmup:WarmupConfiguration warmupDurationSecs:duration "
     "zoneAwareLbSetting:ZoneAwareLbSetting",
     ""},
    {"LocalityLoadBalancerSetting",
     "enabled:bool distribute:*Distribute failover:*Failover failoverPriority:*string", ""},
    {"MagLev", "tableSize:count", ""},
    {"OutboundTrafficPolicy", "mode:REGISTRY_ONLY|ALLOW_ANY egressProxy:Destination", ""},
    {"OutlierDetection",
     "consecutive5xxErrors:uint32 consecutiveGatewayErrors:uint32 "
     "consecutiveLocalOriginFailures:uint32 splitExternalLocalOriginErrors:bool interval:duration "
     "baseEjectionTime:duration maxEjectionPercent:count minHealthPercent:count "
     "consecutiveErrors:int32 outlierDetectionHttpErrorCodes:*100-599",
     ""},
    {"PortTrafficPolicy",
     "port:PortSelector loadBalancer:LoadBalancerSettings connectionPool:ConnectionPoolSettings "
     "outlierDetection:OutlierDetection tls:ClientTLSSettings",
     ""},
    {"RingHash", "minimumRingSize:count", ""},
    {"RouteDestination", "!destination:Destination weight:count", ""},
    {"ServiceEntry",
     "!hosts:*string addresses:*string ports:*ServicePort location:MESH_EXTERNAL|MESH_INTERNAL "
     "resolution:NONE|STATIC|DNS|DNS_ROUND_ROBIN|DYNAMIC_DNS endpoints:*WorkloadEntry "
     "workloadSelector:WorkloadSelector exportTo:*string subjectAltNames:*string",
     ""},
    {"ServicePort", "!number:uint32 protocol:string !name:string targetPort:uint32", ""},
    {"Sidecar",
     "workloadSelector:WorkloadSelector ingress:*IstioIngressListener "
     "egress:*IstioEgressListener inboundConnectionPool:ConnectionPoolSettings "
     "outboundTrafficPolicy:OutboundTrafficPolicy",
     ""},
    {"Subset", "!name:string labels:%string trafficPolicy:TrafficPolicy", ""},
    {"SubsetSelector", "matchLabels:%string", ""},
    {"TCPRoute", "match:*L4MatchAttributes route:*RouteDestination", ""},
    {"TLSMatchAttributes",
     "!sniHosts:*string destinationSubnets:*string port:uint32 sourceLabels:%string "
     "gateways:*string sourceNamespace:string",
     ""},
    {"TLSRoute", "!match:*TLSMatchAttributes route:*RouteDestination", ""},
    {"TrafficPolicy",
     "loadBalancer:LoadBalancerSettings connectionPool:ConnectionPoolSettings "
     "outlierDetection:OutlierDetection tls:ClientTLSSettings "
     "portLevelSettings:*PortTrafficPolicy tunnel:TunnelSettings proxyProtocol:ProxyProtocol "
     "retryBudget:RetryBudget",
     ""},
    {"VirtualService",
     "hosts:*string gateways:*string http:*HTTPRoute tls:*TLSRoute tcp:*TCPRoute exportTo:*string",
     ""},
    {"WarmupConfiguration", "!duration:duration minimumPercent:number aggression:number", ""},
    {"WorkloadEntry",
     "address:string ports:%uint32 labels:%string network:string locality:string weight:uint32 "
     "serviceAccount:string",
     ""},
    {"WorkloadSelector", "labels:%string", ""},
});
// NOLINTEND(modernize-use-designated-initializers)

}  // namespace

std::vector<FieldDescription> DescribeMessage(std::string_view message) {
  const auto* const read = std::ranges::find(kRead, message, &MessageType::name);
  const MessageType* found = read == kRead.end() ? parse::FindMessage(message) : read;
  std::vector<FieldDescription> fields;
  if (found == nullptr) {
    return fields;
  }
  const auto unenforced = parse::UnenforcedFieldsOf(message);
  for (const std::string_view field : parse::SplitNames(found->fields)) {
    const parse::FieldType split = parse::SplitField(field);
    const auto why = std::ranges::find(unenforced, split.name, &parse::Unenforced::field);
    fields.push_back({.name = split.name,
                      .type = split.type,
                      .required = split.required,
                      .unenforced = why == unenforced.end() ? "" : why->reason});
  }
  return fields;
}

}  // namespace vsplit
