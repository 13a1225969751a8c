#include "sim/machine_search.hpp"

#include "replay/wrap.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdio>
#include <ostream>
#include <utility>

namespace sim {
namespace {

using kvstrata::mean_interval;

std::string text(const char* format, auto... values)
{
  std::string out(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, values...)), '\0');
  std::snprintf(out.data(), out.size() + 1, format, values...);
  return out;
}

/// What is said of policies, where they are not the usual ones.
std::string policies_text(const search_options& o)
{
  if (o.slab_policy == "lru" && o.arena_policy == "lru") return {};
  return ", slab by " + o.slab_policy + ", arena by " + o.arena_policy;
}

void table(std::ostream& out, const search_options& o, const std::vector<search_point>& points, bool marginal)
{
  out << text("%8s %6s %6s %9s %9s %7s %8s %9s %7s %6s %7s %9s", "host GiB", "boxes", "GPUs", "host TiB", "p99 ms",
              "+-", "mean ms", "hits/s", "+-", "hit %", "busy %", "target");
  if (marginal) out << text(" %16s", "more hits/s a TiB");
  out << '\n';
  for (std::size_t i = 0; i < points.size(); ++i) {
    const search_point& p = points[i];
    out << text("%8g %6u %6u %9.2f %9.2f %7.2f %8.2f %9.1f %7.1f %6.1f %7.1f %9s", p.host_gib, p.boxes,
                p.boxes * o.gpus, p.host_tib(), 1e3 * p.p99.mean, 1e3 * p.p99.half, 1e3 * p.mean.mean, p.hits.mean,
                p.hits.half, 100 * p.hit_share.mean, 100 * p.busy.mean,
                p.kept             ? "kept"
                : p.saturated != 0 ? "saturated"
                                   : "missed");
    if (marginal && i != 0) {
      const search_point& before = points[i - 1];
      const double more = p.host_tib() - before.host_tib();
      if (more > 0) out << text(" %16.1f", (p.hits.mean - before.hits.mean) / more);
    }
    out << '\n';
  }
  out << '\n';
}

std::string boxes_text(std::uint32_t boxes) { return std::to_string(boxes) + (boxes == 1 ? " box" : " boxes"); }

void say(std::ostream& out, const std::string& sentence)
{
  for (const std::string& line : replay::wrap(sentence, 110)) out << line << '\n';
  out << '\n';
}

nlohmann::ordered_json as_json(const search_point& p)
{
  const auto interval = [](const mean_interval& i) {
    return nlohmann::ordered_json{{"mean", i.mean}, {"half", i.half}};
  };
  return {{"host_gib", p.host_gib},
          {"boxes", p.boxes},
          {"host_tib", p.host_tib()},
          {"kept", p.kept},
          {"saturated", p.saturated},
          {"requests", p.requests},
          {"p99_worst_hour_seconds", interval(p.p99)},
          {"mean_seconds", interval(p.mean)},
          {"hits_per_second", interval(p.hits)},
          {"hit_tokens_share", interval(p.hit_share)},
          {"busy_worst_hour_share", interval(p.busy)}};
}

}  // namespace

void print(std::ostream& out, const kvstrata::machine_description& m, const search_options& o, const search_result& r)
{
  say(out, m.name + ": " + std::to_string(o.users) + " users, " + text("%g", o.rate) +
               " requests/s on average over a day, " + text("%.1f", o.requests_a_day()) + " a user, in sessions of " +
               text("%g", o.session_requests) + " with " + text("%g", o.gap_seconds) + " s between them; boxes of " +
               std::to_string(o.gpus) + " GPUs, " + std::to_string(o.gpus_a_link) + " a link, routing by " + o.routing +
               policies_text(o) + "; " + std::to_string(o.seeds) +
               " seeds, each a sample of the users; p99 of the worst hour, +- is the 95 % interval over the seeds.");
  say(out, "The fewest boxes that keep a p99 of " + o.target + ":");
  table(out, o, r.least, false);
  if (!r.answer) {
    say(out, "None of them keeps the target with up to " + std::to_string(o.most_boxes) + " boxes (--most-boxes).");
    return;
  }
  say(out, "Memory at " + boxes_text(r.answer->boxes) + ":");
  table(out, o, r.curve, true);
  say(out, "Answer: " + boxes_text(r.answer->boxes) + " of " + std::to_string(o.gpus) + " GPUs with " +
               text("%g", r.answer->host_gib) + " GiB of host memory each: p99 " +
               text("%.1f", 1e3 * r.answer->p99.mean) + " +- " + text("%.1f", 1e3 * r.answer->p99.half) +
               " ms in the worst hour.");
}

std::string search_csv(const kvstrata::machine_description& m, const search_result& r)
{
  std::string out =
      "machine,what,host_gib,boxes,host_tib,kept,saturated,p99,p99_95,mean,mean_95,hits_per_second,hits_per_second_95,"
      "hit_tokens_share,hit_tokens_share_95,busy_worst_hour,busy_worst_hour_95\n";
  const auto add = [&](const char* what, const std::vector<search_point>& points) {
    for (const search_point& p : points) {
      out += '"' + m.name + "\"," + what +
             text(",%g,%u,%g,%d,%zu", p.host_gib, p.boxes, p.host_tib(), p.kept ? 1 : 0, p.saturated);
      for (const mean_interval& i : {p.p99, p.mean, p.hits, p.hit_share, p.busy}) {
        out += text(",%.9g,%.9g", i.mean, i.half);
      }
      out += '\n';
    }
  };
  add("least", r.least);
  add("curve", r.curve);
  return out;
}

nlohmann::ordered_json search_json(const kvstrata::machine_description& m, const search_options& o,
                                   const search_result& r)
{
  using json = nlohmann::ordered_json;
  auto least = json::array();
  auto curve = json::array();
  for (const search_point& p : r.least) least.push_back(as_json(p));
  for (const search_point& p : r.curve) curve.push_back(as_json(p));
  return {{"machine", m.name},
          {"settings",
           {{"target_p99", o.target},
            {"rate", o.rate},
            {"users", o.users},
            {"requests_a_user_and_day", o.requests_a_day()},
            {"session_requests", o.session_requests},
            {"session_gap_seconds", o.gap_seconds},
            {"history_scale", o.history_scale},
            {"event_tokens", o.event_tokens},
            {"longest", o.longest},
            {"gpus", o.gpus},
            {"gpus_a_link", o.gpus_a_link},
            {"most_boxes", o.most_boxes},
            {"routing", o.routing},
            {"slab_policy", o.slab_policy},
            {"arena_policy", o.arena_policy},
            {"batch", o.batch},
            {"seeds", o.seeds},
            {"first_seed", o.seed},
            {"device_gib", static_cast<double>(m.device_bytes) / 0x1p30}}},
          {"least", std::move(least)},
          {"curve", std::move(curve)},
          {"answer", r.answer ? as_json(*r.answer) : json(nullptr)}};
}

}  // namespace sim
