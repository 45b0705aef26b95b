// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "agent.h"
#include "columns.h"
#include "commands.h"
#include "kinds.h"
#include "table.h"
#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// One thing asked for: a list, or one object of it.
struct Query {
  const KindName* kind;
  std::string name;  // empty: the list
};

Result<const KindName*> KindOf(const std::string& word) {
  const KindName* kind = FindKind(word);
  if (kind == nullptr) {
    return tl::unexpected<Error>(UnknownKind(word));
  }
  return kind;
}

std::vector<std::string> SplitCommas(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    words.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return words;
}

// "svc,vs", "all" or "vs NAME...": each kind with each name.
Result<std::vector<Query>> KindQueries(const std::vector<std::string>& words) {
  std::vector<Query> queries;
  if (words.front() == "all") {
    for (const KindName& kind : KindNames()) {
      if (kind.namespaced) {
        queries.push_back({&kind, ""});
      }
    }
    return queries;
  }
  for (const std::string& word : SplitCommas(words.front())) {
    const Result<const KindName*> kind = KindOf(word);
    if (!kind) {
      return tl::unexpected<Error>(kind.error());
    }
    if (words.size() == 1) {
      queries.push_back({*kind, ""});
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
      queries.push_back({*kind, words[i]});
    }
  }
  return queries;
}

Result<std::vector<Query>> QueriesOf(const std::vector<std::string>& words) {
  if (words.front().find('/') == std::string::npos) {
    return KindQueries(words);
  }
  std::vector<Query> queries;
  for (const std::string& word : words) {
    const std::size_t slash = word.find('/');
    if (slash == std::string::npos) {
      return Fail(fmt::format("error: there is no name in \"{}\": write KIND/NAME", word));
    }
    const Result<const KindName*> kind = KindOf(word.substr(0, slash));
    if (!kind) {
      return tl::unexpected<Error>(kind.error());
    }
    queries.push_back({*kind, word.substr(slash + 1)});
  }
  return queries;
}

std::string TargetOf(const Query& query, const GetOptions& options) {
  return ResourcePath(*query.kind, options.all_namespaces ? "" : options.ns, query.name);
}

// The objects that a query gives, whether it asked for one or for a list. Items of lists do not
// carry their kind, so it is filled in.
Result<std::vector<Json>> Fetch(const Agent& agent, const Query& query, const GetOptions& options) {
  const Result<Json> answer = agent.CallJson({.target = TargetOf(query, options)});
  if (!answer) {
    return tl::unexpected<Error>(answer.error());
  }
  if (!query.name.empty()) {
    return std::vector<Json>{*answer};
  }
  std::vector<Json> objects;
  for (const Json& item : ItemsAt(*answer, "/items")) {
    objects.push_back(item);
  }
  return objects;
}

struct Failures {
  std::string text;

  void Add(const Error& error) { text += (text.empty() ? "" : "\n") + error.message; }
  Result<void> Outcome() const { return text.empty() ? Result<void>() : Fail(text); }
};

Result<void> GetYaml(const Agent& agent, const std::vector<Query>& queries,
                     const GetOptions& options) {
  Failures failures;
  bool first = true;
  for (const Query& query : queries) {
    const Result<std::string> text =
        agent.Call({.target = TargetOf(query, options), .accept = "application/yaml"});
    if (!text) {
      failures.Add(text.error());
      continue;
    }
    fmt::print("{}{}", first ? "" : "---\n", *text);
    first = false;
  }
  return failures.Outcome();
}

Result<void> GetJson(const Agent& agent, const std::vector<Query>& queries,
                     const GetOptions& options) {
  Failures failures;
  Json items = Json::array();
  for (const Query& query : queries) {
    const Result<std::vector<Json>> objects = Fetch(agent, query, options);
    if (!objects) {
      failures.Add(objects.error());
      continue;
    }
    for (const Json& object : *objects) {
      items.push_back(object);
    }
  }
  const bool single = queries.size() == 1 && !queries.front().name.empty();
  if (!single || failures.text.empty()) {
    const Json list = {{"apiVersion", "v1"}, {"items", items}, {"kind", "List"}};
    constexpr int kIndent = 4;
    fmt::print("{}\n", (single ? items.front() : list).dump(kIndent));
  }
  return failures.Outcome();
}

void PrintNames(const KindName& kind, const std::vector<Json>& objects) {
  for (const Json& object : objects) {
    fmt::print("{}/{}\n", QualifiedName(kind), TextAt(object, "/metadata/name"));
  }
}

void PrintTable(const KindName& kind, const std::vector<Json>& objects,
                const ColumnOptions& columns) {
  Table table(HeaderOf(kind, columns));
  for (const Json& object : objects) {
    table.Add(RowOf(kind, object, columns));
  }
  fmt::print("{}", table.Text());
}

// The objects of a run of queries for one kind, which begins at `at`; `at` is then behind it.
std::vector<Json> FetchRun(const Agent& agent, const std::vector<Query>& queries, std::size_t& at,
                           const GetOptions& options, Failures& failures) {
  std::vector<Json> objects;
  const KindName* kind = queries[at].kind;
  for (; at < queries.size() && queries[at].kind == kind; ++at) {
    const Result<std::vector<Json>> some = Fetch(agent, queries[at], options);
    if (!some) {
      failures.Add(some.error());
      continue;
    }
    objects.insert(objects.end(), some->begin(), some->end());
  }
  return objects;
}

void PrintNothingFound(const KindName& kind, const GetOptions& options) {
  const bool in_namespace = !options.all_namespaces && kind.namespaced;
  fmt::print(stderr, "No resources found{}\n",
             in_namespace ? " in " + options.ns + " namespace." : "");
}

// Objects of one kind follow each other in `queries`, and are shown in one table.
Result<void> GetTables(const Agent& agent, const std::vector<Query>& queries,
                       const GetOptions& options) {
  Failures failures;
  bool found = false;
  const bool names = options.output == "name";
  const bool several = queries.front().kind != queries.back().kind;
  for (std::size_t i = 0; i < queries.size();) {
    const KindName& kind = *queries[i].kind;
    const std::vector<Json> objects = FetchRun(agent, queries, i, options, failures);
    if (objects.empty()) {
      continue;
    }
    if (names) {
      PrintNames(kind, objects);
    } else {
      fmt::print("{}", found ? "\n" : "");
      PrintTable(kind, objects,
                 {.wide = options.output == "wide",
                  .with_namespace = options.all_namespaces && kind.namespaced,
                  .with_kind = several,
                  .now = std::chrono::system_clock::now()});
    }
    found = true;
  }
  if (!found && !names && failures.text.empty()) {
    PrintNothingFound(*queries.front().kind, options);
  }
  return failures.Outcome();
}

Result<void> PrintText(const Result<std::string>& text) {
  if (!text) {
    return tl::unexpected<Error>(text.error());
  }
  fmt::print("{}", *text);
  return {};
}

// "ok", "ejected for 12s more: 5 failed connections in a row (consecutive5xxErrors)"
std::string EndpointState(const Json& endpoint) {
  constexpr double kMilliseconds = 1000;
  const double left = NumberAt(endpoint, "/ejected_ms") / kMilliseconds;
  return left > 0 ? fmt::format("ejected for {:.0f}s more: {}", left, TextAt(endpoint, "/why"))
                  : "ok";
}

Result<void> GetEndpoints(const Agent& agent, const GetOptions& options) {
  const Result<Json> split = agent.CallJson({.target = "/apis/vsplit.io/v1/split"});
  if (!split) {
    return tl::unexpected<Error>(split.error());
  }
  if (options.output == "json") {
    constexpr int kIndent = 4;
    fmt::print("{}\n", split->dump(kIndent));
    return {};
  }
  Table table({"FRONTEND", "CLUSTER", "ENDPOINT", "WORKLOAD", "OPENED", "ACTIVE", "FAILED", "SENT",
               "RECEIVED", "STATE"});
  bool found = false;
  for (const Json& route : ItemsAt(*split, "/routes")) {
    for (const Json& cluster : ItemsAt(route, "/clusters")) {
      for (const Json& endpoint : ItemsAt(cluster, "/endpoints")) {
        found = true;
        const std::string workload = TextAt(endpoint, "/workload");
        table.Add({TextAt(route, "/frontend"), TextAt(cluster, "/name"),
                   TextAt(endpoint, "/address"), workload.empty() ? "<none>" : workload,
                   TextAt(endpoint, "/opened"), TextAt(endpoint, "/active"),
                   TextAt(endpoint, "/failed"), Bytes(NumberAt(endpoint, "/sent")),
                   Bytes(NumberAt(endpoint, "/received")), EndpointState(endpoint)});
      }
    }
  }
  if (!found) {
    fmt::print(stderr, "No endpoints found: no rule in force leads to one.\n");
    return {};
  }
  fmt::print("{}", table.Text());
  return {};
}

}  // namespace

Error UnknownKind(const std::string& word) {
  std::string known;
  for (const KindName& kind : KindNames()) {
    known += (known.empty() ? "" : ", ") + std::string(kind.plural);
    known += kind.shorts.empty() ? "" : " (" + std::string(kind.shorts) + ")";
  }
  return {.message = fmt::format("error: the server doesn't have a resource type \"{}\"; it has {}",
                                 word, known),
          .reason = Error::Reason::kInvalid};
}

Result<void> Get(const Agent& agent, const GetOptions& options) {
  if (options.words.size() == 1 && options.words.front() == "image") {
    return PrintText(agent.Call({.target = "/apis/vsplit.io/v1/image", .accept = "text/plain"}));
  }
  if (options.words.size() == 1 && options.words.front() == "endpoints") {
    return GetEndpoints(agent, options);
  }
  const Result<std::vector<Query>> queries = QueriesOf(options.words);
  if (!queries) {
    return tl::unexpected<Error>(queries.error());
  }
  if (options.output == "yaml") {
    return GetYaml(agent, *queries, options);
  }
  if (options.output == "json") {
    return GetJson(agent, *queries, options);
  }
  return GetTables(agent, *queries, options);
}

}  // namespace vsplit
