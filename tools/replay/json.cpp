#include "replay/json.hpp"

#include "command_line/json_text.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <string>
#include <utility>
#include <vector>

namespace replay {
namespace {

using json = nlohmann::ordered_json;

/// Of a cache of so many levels.
json of(const token_split& t, std::size_t levels)
{
  json counts = json::array();
  for (std::size_t i = 0; i < levels; ++i) counts.push_back(t.served[i]);
  return {{"levels", std::move(counts)}, {"computed", t.computed}};
}

token_split to_split(const json& j)
{
  token_split t;
  const json& counts = j.at("levels");
  if (counts.size() > t.served.size()) {
    throw kvstrata::config_error("levels", counts.size(),
                                 "a stack has at most " + std::to_string(t.served.size()) + " levels");
  }
  for (std::size_t i = 0; i < counts.size(); ++i) t.served[i] = counts[i].get<std::uint64_t>();
  t.computed = j.at("computed").get<std::uint64_t>();
  return t;
}

template <class Items, class One>
json list(const Items& items, One&& one)
{
  json out = json::array();
  for (const auto& item : items) out.push_back(one(item));
  return out;
}

template <class T, class One>
std::vector<T> to_vector(const json& j, One&& one)
{
  std::vector<T> out;
  for (const json& item : j) out.push_back(one(item));
  return out;
}

json of(const latency_summary& l)
{
  return {{"count", l.count},
          {"mean", l.mean},
          {"p50", l.p50},
          {"p95", l.p95},
          {"p99", l.p99},
          {"max", l.max},
          {"cdf", list(l.cdf, [](const cdf_point& p) { return json::array({p.seconds, p.share}); })}};
}

latency_summary to_latency(const json& j)
{
  latency_summary l;
  l.count = j.at("count").get<std::uint64_t>();
  l.mean = j.at("mean").get<double>();
  l.p50 = j.at("p50").get<double>();
  l.p95 = j.at("p95").get<double>();
  l.p99 = j.at("p99").get<double>();
  l.max = j.at("max").get<double>();
  l.cdf = to_vector<cdf_point>(j.at("cdf"),
                               [](const json& p) { return cdf_point{p.at(0).get<double>(), p.at(1).get<double>()}; });
  return l;
}

json of(const moved& m) { return {{"bytes", m.bytes}, {"calls", m.calls}, {"pieces", m.pieces}}; }

moved to_moved(const json& m)
{
  return {m.at("bytes").get<std::uint64_t>(), m.at("calls").get<std::uint64_t>(), m.at("pieces").get<std::uint64_t>()};
}

const char* name_of(work_kind kind)
{
  switch (kind) {
    case work_kind::compute: return "compute";
    case work_kind::copy: return "copy";
    case work_kind::stall: return "stall";
  }
  return "compute";
}

work_kind to_kind(const std::string& name)
{
  return name == "copy" ? work_kind::copy : name == "stall" ? work_kind::stall : work_kind::compute;
}

json of(const timeline& t, std::size_t levels)
{
  return {{"batch", t.batch},
          {"requests", t.requests},
          {"tokens", of(t.tokens, levels)},
          {"exposed_seconds", t.exposed_seconds},
          {"up", of(t.up)},
          {"relocated", of(t.relocated)},
          {"down", of(t.down)},
          {"spans", list(t.spans, [](const span_of_work& s) {
             return json{
                 {"lane", s.lane}, {"label", s.label}, {"begin", s.begin}, {"end", s.end}, {"kind", name_of(s.kind)}};
           })}};
}

timeline to_timeline(const json& j)
{
  timeline t;
  t.batch = j.at("batch").get<std::uint64_t>();
  t.requests = j.at("requests").get<std::uint64_t>();
  t.tokens = to_split(j.at("tokens"));
  t.exposed_seconds = j.at("exposed_seconds").get<double>();
  t.up = to_moved(j.at("up"));
  t.relocated = to_moved(j.at("relocated"));
  t.down = to_moved(j.at("down"));
  t.spans = to_vector<span_of_work>(j.at("spans"), [](const json& s) {
    return span_of_work{s.at("lane").get<std::string>(), s.at("label").get<std::string>(), s.at("begin").get<double>(),
                        s.at("end").get<double>(), to_kind(s.at("kind").get<std::string>())};
  });
  return t;
}

json of(const case_result& c)
{
  json out = {{"key", c.key},
              {"name", c.name},
              {"description", c.description},
              {"requests", c.requests},
              {"batches", c.batches},
              {"seconds", c.seconds},
              {"requests_per_second", c.requests_per_second},
              {"speed_up", c.speed_up},
              {"levels", list(c.levels,
                              [](const level_result& l) {
                                return json{{"name", l.name}, {"dropped_tokens", l.dropped_tokens}};
                              })},
              {"tokens", of(c.tokens, c.levels.size())},
              {"latency", of(c.latency)},
              {"onload_bytes", c.onload_bytes},
              {"offload_bytes", c.offload_bytes},
              {"exposed_transfer_seconds", c.exposed_transfer_seconds},
              {"control_seconds", c.control_seconds},
              {"queue_seconds", c.queue_seconds},
              {"onload_calls", c.onload_calls},
              {"onload_pieces", c.onload_pieces},
              {"offload_calls", c.offload_calls},
              {"offload_pieces", c.offload_pieces},
              {"recomputed_tokens", c.recomputed_tokens},
              {"prefetched_tokens", c.prefetched_tokens},
              {"saved_tokens", c.saved_tokens},
              {"staged_tokens", c.staged_tokens},
              {"displaced_tokens", c.displaced_tokens},
              {"cleaned_tokens", c.cleaned_tokens},
              {"device_bytes", c.device_bytes},
              {"next_asked", c.next_asked},
              {"next_hits", c.next_hits}};
  const std::size_t levels = c.levels.size();
  out["over_time"] = list(c.over_time, [levels](const split_bucket& b) {
    return json{{"first_request", b.first_request}, {"requests", b.requests}, {"tokens", of(b.tokens, levels)}};
  });
  out["capacity"] = list(c.capacity, [levels](const capacity_point& p) {
    return json{{"slab_pages", p.slab_pages},
                {"share_of_working_set", p.share_of_working_set},
                {"tokens", of(p.tokens, levels)}};
  });
  out["batch"] = c.batch ? of(*c.batch, levels) : json(nullptr);
  out["inexact_tokens"] = c.inexact_tokens;
  if (c.agreement) {
    const score_agreement& a = *c.agreement;
    out["agreement"] = {
        {"requests", a.requests}, {"error", a.error}, {"largest", a.largest}, {"mean", a.mean}, {"kept", a.kept}};
    if (a.unlike_uncoded) out["agreement"]["unlike_uncoded"] = *a.unlike_uncoded;
  }
  return out;
}

case_result to_case(const json& j)
{
  case_result c;
  c.key = j.at("key").get<std::string>();
  c.name = j.at("name").get<std::string>();
  c.description = j.at("description").get<std::string>();
  c.requests = j.at("requests").get<std::uint64_t>();
  c.batches = j.at("batches").get<std::uint64_t>();
  c.seconds = j.at("seconds").get<double>();
  c.requests_per_second = j.at("requests_per_second").get<double>();
  c.speed_up = j.at("speed_up").get<double>();
  c.levels = to_vector<level_result>(j.at("levels"), [](const json& l) {
    return level_result{l.at("name").get<std::string>(), l.at("dropped_tokens").get<std::uint64_t>()};
  });
  c.tokens = to_split(j.at("tokens"));
  c.latency = to_latency(j.at("latency"));
  c.onload_bytes = j.at("onload_bytes").get<std::uint64_t>();
  c.offload_bytes = j.at("offload_bytes").get<std::uint64_t>();
  c.exposed_transfer_seconds = j.at("exposed_transfer_seconds").get<double>();
  c.control_seconds = j.at("control_seconds").get<double>();
  c.queue_seconds = j.at("queue_seconds").get<double>();
  const auto count = [&j](const char* key) { return j.at(key).get<std::uint64_t>(); };
  c.onload_calls = count("onload_calls");
  c.onload_pieces = count("onload_pieces");
  c.offload_calls = count("offload_calls");
  c.offload_pieces = count("offload_pieces");
  c.recomputed_tokens = count("recomputed_tokens");
  c.prefetched_tokens = count("prefetched_tokens");
  c.saved_tokens = count("saved_tokens");
  c.staged_tokens = j.value("staged_tokens", std::uint64_t{0});  // earlier versions have none
  c.displaced_tokens = count("displaced_tokens");
  c.cleaned_tokens = count("cleaned_tokens");
  c.device_bytes = count("device_bytes");
  c.next_asked = j.value("next_asked", std::uint64_t{0});  // likewise
  c.next_hits = j.value("next_hits", std::uint64_t{0});
  c.over_time = to_vector<split_bucket>(j.at("over_time"), [](const json& b) {
    return split_bucket{b.at("first_request").get<std::uint64_t>(), b.at("requests").get<std::uint64_t>(),
                        to_split(b.at("tokens"))};
  });
  c.capacity = to_vector<capacity_point>(j.at("capacity"), [](const json& p) {
    return capacity_point{p.at("slab_pages").get<std::uint64_t>(), p.at("share_of_working_set").get<double>(),
                          to_split(p.at("tokens"))};
  });
  if (!j.at("batch").is_null()) c.batch = to_timeline(j.at("batch"));
  c.inexact_tokens = j.value("inexact_tokens", std::uint64_t{0});
  if (j.contains("agreement")) {
    const json& a = j.at("agreement");
    c.agreement = score_agreement{.requests = a.at("requests").get<std::uint64_t>(),
                                  .error = a.at("error").get<double>(),
                                  .largest = a.at("largest").get<double>(),
                                  .mean = a.value("mean", 0.0),
                                  .kept = a.at("kept").get<std::array<double, 2>>()};
    if (a.contains("unlike_uncoded")) c.agreement->unlike_uncoded = a.at("unlike_uncoded").get<std::uint64_t>();
  }
  return c;
}

json of(const verification& v)
{
  json first = nullptr;
  if (v.first) {
    const score_difference& d = *v.first;
    first = {{"case", d.case_name}, {"user", d.user},     {"request", d.request},      {"candidate", d.candidate},
             {"task", d.task},      {"served", d.served}, {"recomputed", d.recomputed}};
  }
  return {{"share", v.share},
          {"requests", v.requests},
          {"scores", v.scores},
          {"mismatches", v.mismatches},
          {"max_difference", v.max_difference},
          {"tolerance", v.tolerance},
          {"first", std::move(first)}};
}

verification to_verification(const json& j)
{
  verification v;
  v.share = j.at("share").get<double>();
  v.requests = j.at("requests").get<std::uint64_t>();
  v.scores = j.at("scores").get<std::uint64_t>();
  v.mismatches = j.at("mismatches").get<std::uint64_t>();
  v.max_difference = j.at("max_difference").get<double>();
  v.tolerance = j.at("tolerance").get<double>();
  if (const json& d = j.at("first"); !d.is_null()) {
    v.first = score_difference{d.at("case").get<std::string>(),      d.at("user").get<std::uint64_t>(),
                               d.at("request").get<std::uint64_t>(), d.at("candidate").get<std::uint64_t>(),
                               d.at("task").get<std::uint64_t>(),    d.at("served").get<double>(),
                               d.at("recomputed").get<double>()};
  }
  return v;
}

}  // namespace

nlohmann::ordered_json to_json(const results& r)
{
  json out = {{"version", json_version}};
  out["machine"] = {{"cpu", r.machine.cpu},
                    {"cores", r.machine.cores},
                    {"memory_bytes", r.machine.memory_bytes},
                    {"compiler", r.machine.compiler}};
  out["workload"] = {{"source", r.workload.source},
                     {"stream", r.workload.stream},
                     {"description", r.workload.description},
                     {"users", r.workload.users},
                     {"requests", r.workload.requests},
                     {"history_mean", r.workload.history_mean},
                     {"history_p50", r.workload.history_p50},
                     {"history_p90", r.workload.history_p90},
                     {"history_max", r.workload.history_max},
                     {"working_set", r.workload.working_set},
                     {"notes", r.workload.notes}};
  out["settings"] = list(r.settings, [](const setting& s) {
    return json{{"group", s.group}, {"name", s.name}, {"value", s.value}, {"meaning", s.meaning}};
  });
  out["break_even"] = {{"flops_per_second", r.balance.flops_per_second},
                       {"link_bytes_per_second", r.balance.link_bytes_per_second},
                       {"bytes_per_element", r.balance.bytes_per_element},
                       {"hidden", r.balance.hidden},
                       {"tokens", r.balance.tokens()},
                       {"fetching_always_wins", r.balance.fetching_always_wins()}};
  out["cases"] = list(r.cases, [](const case_result& c) { return of(c); });
  out["verification"] = r.verified ? of(*r.verified) : json(nullptr);
  return out;
}

results from_json(const nlohmann::ordered_json& document)
{
  if (const int version = document.at("version").get<int>(); version != json_version) {
    throw kvstrata::config_error("version", std::to_string(version),
                                 "this program reads version " + std::to_string(json_version));
  }
  results r;
  const json& machine = document.at("machine");
  r.machine = {machine.at("cpu").get<std::string>(), machine.at("cores").get<unsigned>(),
               machine.at("memory_bytes").get<std::uint64_t>(), machine.at("compiler").get<std::string>()};
  const json& w = document.at("workload");
  r.workload.source = w.at("source").get<std::string>();
  r.workload.stream = w.at("stream").get<std::string>();
  r.workload.description = w.at("description").get<std::string>();
  r.workload.users = w.at("users").get<std::uint64_t>();
  r.workload.requests = w.at("requests").get<std::uint64_t>();
  r.workload.history_mean = w.at("history_mean").get<double>();
  r.workload.history_p50 = w.at("history_p50").get<std::uint64_t>();
  r.workload.history_p90 = w.at("history_p90").get<std::uint64_t>();
  r.workload.history_max = w.at("history_max").get<std::uint64_t>();
  r.workload.working_set = w.at("working_set").get<std::uint64_t>();
  r.workload.notes = w.at("notes").get<std::vector<std::string>>();
  r.settings = to_vector<setting>(document.at("settings"), [](const json& s) {
    return setting{s.at("group").get<std::string>(), s.at("name").get<std::string>(), s.at("value").get<std::string>(),
                   s.at("meaning").get<std::string>()};
  });
  const json& b = document.at("break_even");
  r.balance = {b.at("flops_per_second").get<double>(), b.at("link_bytes_per_second").get<double>(),
               b.at("bytes_per_element").get<unsigned>(), b.at("hidden").get<unsigned>()};
  r.cases = to_vector<case_result>(document.at("cases"), to_case);
  if (!document.at("verification").is_null()) r.verified = to_verification(document.at("verification"));
  return r;
}

void write_json(const results& r, const std::string& path)
{
  // Names from a trace need not be UTF-8; what is not becomes U+FFFD instead of an error after a long run.
  kvstrata::write_file(path, tools::json_text(to_json(r)) + "\n");
}

}  // namespace replay
