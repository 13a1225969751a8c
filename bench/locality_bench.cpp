// How far locality gets on KuaiRand-Pure's sessions, and what each ingredient is worth. No clock is read.
//
//   hits         whole trace from cold, and its two weeks; the share of the distance from LRU to Belady that is closed.
//                The model's shape was chosen on the first week
//   left out     the same without one ingredient
//   elsewhere    what earns nothing there, on every interaction and on Mooncake's blocks
//   weighted     hits weighted by bytes and by the time they save, at equal bytes, histories stretched so that their
//                median is KuaiRand-1K's; a user's bytes grow. Slab above an arena: a hit saves the quicker of
//                fetching and computing; lowest tier: a hit saves computing. H200 on PCIe 5, MTServe's shape
//
// The bound: a hit needs its bytes to be held from one request of its user to the next, and all that is held, summed
// over the trace, is at most the capacity times its length. Taking the intervals by value for space and time, the last
// in part, no policy can do better. (PFOO-U: Berger, Beckmann, Harchol-Balter, "Practical bounds on optimal caching
// with variable object sizes", SIGMETRICS 2018.)
#include "command_line/source_dir.hpp"

#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/locality.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/simulate/history_scale.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using accesses = std::vector<trace_access>;

constexpr std::int64_t second_week_ms = 1'651'420'800'000;  // 2 May 2022, 00:00 UTC+8
constexpr std::size_t users = 25'156;
constexpr std::array<std::size_t, 3> capacities{1258, 2516, 5031};

struct share
{
  double whole = 0;
  double first = 0;
  double second = 0;
};

template <class Policy>
share hits(const accesses& all, std::size_t objects)
{
  object_cache<Policy> cache({.bytes = objects, .objects = objects});
  double hit[2] = {};
  double asked[2] = {};
  for (trace_access one : all) {
    const int week = one.time_ms >= second_week_ms ? 1 : 0;
    one.bytes = 1;
    asked[week] += 1;
    hit[week] += cache.request(one) == access_outcome::hit ? 1 : 0;
  }
  return {100 * (hit[0] + hit[1]) / (asked[0] + asked[1]), 100 * hit[0] / asked[0],
          asked[1] > 0 ? 100 * hit[1] / asked[1] : 0};
}

template <class Policy>
void row(const char* name, const accesses& all, bool gap = true)
{
  std::printf("  %-34s", name);
  for (const std::size_t objects : capacities) {
    const share mine = hits<Policy>(all, objects);
    std::printf("  %5.2f", mine.whole);
    if (gap) {
      const double from = hits<lru>(all, objects).whole;
      const double to = hits<belady>(all, objects).whole;
      std::printf(" (%5.2f %5.2f, %5.1f %%)", mine.first, mine.second, 100 * (mine.whole - from) / (to - from));
    }
  }
  std::printf("\n");
}

constexpr std::uint32_t without(std::uint32_t reason) { return 63U & ~(1U << reason); }

std::size_t count_objects(const accesses& all)
{
  std::unordered_set<std::uint64_t> keys;
  for (const trace_access& one : all) keys.insert(one.key);
  return keys.size();
}

template <class Policy>
void row_elsewhere(const char* name, const accesses& all, std::size_t objects)
{
  std::printf("  %-34s", name);
  for (const std::size_t percent : {5U, 10U, 20U}) {
    std::printf("  %5.2f", hits<Policy>(all, (objects * percent + 50) / 100).whole);
  }
  std::printf("\n");
}

void left_out_elsewhere(const char* name, const accesses& all)
{
  const std::size_t objects = count_objects(all);
  std::printf("\nElsewhere: %s, at 5, 10, 20 %% of %zu objects\n", name, objects);
  row_elsewhere<lru>("lru", all, objects);
  row_elsewhere<locality>("locality", all, objects);
  row_elsewhere<basic_locality<24, 12, without(1)>>("visits just before", all, objects);
  row_elsewhere<basic_locality<24, 12, 63, false>>("learning: first weights stay", all, objects);
}

struct costs
{
  cost_model model;
  bool fetches = false;
  bool told = true;

  [[nodiscard]] object_info info(const trace_access& one) const
  {
    object_info i{.user = user_id{one.key}, .bytes = one.bytes, .tokens = one.tokens, .time_ms = one.time_ms};
    i.hint.next_request = one.next_request;
    i.recompute_seconds = model.layers * model.compute_seconds({0, one.tokens});
    if (fetches) i.fetch_seconds = model.layers * model.fetch_seconds(one.tokens);
    return i;
  }
};

struct weighed
{
  double requests = 0;
  double bytes = 0;
  double seconds = 0;
};

template <class Policy>
weighed weigh(const accesses& all, std::uint64_t bytes, const costs& cost)
{
  object_cache<Policy, always, object_size::growing> cache({.bytes = bytes, .objects = users / 10});
  weighed hit;
  weighed asked;
  std::unordered_map<std::uint64_t, object_info> before;
  for (const trace_access& one : all) {
    object_info info = cost.info(one);
    const object_info held = std::exchange(before[one.key], info);  // what a hit finds: the history of the last request
    const double saved = held.loss_seconds();
    if (!cost.told) info.recompute_seconds = info.fetch_seconds = 0;
    const bool is_hit = cache.request(info) == access_outcome::hit;
    asked.requests += 1;
    asked.bytes += static_cast<double>(info.bytes);
    asked.seconds += cost.info(one).loss_seconds();
    if (!is_hit) continue;
    hit.requests += 1;
    hit.bytes += static_cast<double>(held.bytes);
    hit.seconds += saved;
  }
  return {100 * hit.requests / asked.requests, 100 * hit.bytes / asked.bytes, 100 * hit.seconds / asked.seconds};
}

/// The most that any policy can save, where `value` says what holding an object to its next request saves.
double bound(const accesses& all, std::uint64_t bytes, const std::function<double(const trace_access&)>& value)
{
  struct interval
  {
    double value;
    double space;
  };
  std::vector<interval> intervals;
  double asked = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    asked += value(all[i]);
    if (all[i].next_request >= all.size()) continue;
    intervals.push_back(
        {value(all[i]), static_cast<double>(all[i].bytes) * static_cast<double>(all[i].next_request - i)});
  }
  std::sort(intervals.begin(), intervals.end(),
            [](const interval& a, const interval& b) { return a.value * b.space > b.value * a.space; });
  double room = static_cast<double>(bytes) * static_cast<double>(all.size());
  double saved = 0;
  for (const interval& one : intervals) {
    const double part = (std::min)(1.0, room / one.space);
    saved += part * one.value;
    room -= part * one.space;
    if (part < 1) break;
  }
  return 100 * saved / asked;
}

/// Histories stretched so that the median of the users' last ones is KuaiRand-1K's.
accesses stretched(accesses all)
{
  std::unordered_map<std::uint64_t, token_count> last;
  for (const trace_access& one : all) last[one.key] = one.tokens;
  std::vector<token_count> lengths;
  for (const auto& [key, tokens] : last) lengths.push_back(tokens);
  std::nth_element(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2), lengths.end());
  const double scale = 8327.0 / lengths[lengths.size() / 2];
  for (trace_access& one : all) {
    one.tokens = (std::max)(scaled_length(one.tokens, scale), token_count{1});
    one.bytes = std::uint64_t{one.tokens} * 16 * 1024;
  }
  std::printf("\nWeighted; histories %.1f times as long as KuaiRand-Pure's\n", scale);
  return all;
}

template <class Policy>
void weighted_row(const char* name, const accesses& all, std::uint64_t total, const costs& cost)
{
  std::printf("  %-34s", name);
  for (const std::uint64_t percent : {5U, 10U, 20U}) {
    const weighed w = weigh<Policy>(all, total / 100 * percent, cost);
    std::printf("  %5.2f %5.2f %5.2f |", w.requests, w.bytes, w.seconds);
  }
  std::printf("\n");
}

void weighted(const accesses& all)
{
  std::unordered_map<std::uint64_t, std::uint64_t> last;
  for (const trace_access& one : all) last[one.key] = one.bytes;
  std::uint64_t total = 0;
  for (const auto& [key, bytes] : last) total += bytes;
  constexpr geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
  constexpr double link = 53e9;
  const machine h200{.flops_per_second = (10'000 + 5 * 1024) * link / 2, .link_bytes_per_second = link};  // L* = 10k
  for (const bool fetches : {true, false}) {
    const costs cost{.model = cost_model::of(h200, 1024, shape), .fetches = fetches};
    costs untold = cost;
    untold.told = false;
    std::printf("%s: %% of requests, of bytes, of seconds; at 5, 10, 20 %% of all users' bytes\n",
                fetches ? "Slab above an arena" : "Lowest tier");
    weighted_row<lru>("lru", all, total, cost);
    weighted_row<s3_fifo>("s3_fifo", all, total, cost);
    weighted_row<gdsf>("gdsf", all, total, cost);
    weighted_row<locality>("locality", all, total, cost);
    weighted_row<thorough_locality>("thorough_locality", all, total, cost);
    weighted_row<locality>("locality, not told costs", all, total, untold);
    std::printf("  %-34s", "no policy can do better than");
    for (const std::uint64_t percent : {5U, 10U, 20U}) {
      const std::uint64_t bytes = total / 100 * percent;
      std::printf("  %5.2f %5.2f %5.2f |", bound(all, bytes, [](const trace_access&) { return 1.0; }),
                  bound(all, bytes, [](const trace_access& one) { return static_cast<double>(one.bytes); }),
                  bound(all, bytes, [&](const trace_access& one) { return cost.info(one).loss_seconds(); }));
    }
    std::printf("\n");
  }
}

}  // namespace

int main()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path data =
      set != nullptr ? std::filesystem::path(set) : tools::source_dir() / "../shared/data";
  if (!std::filesystem::exists(data / "kuairand-pure-2w")) {
    std::printf("SKIPPED: the trace kuairand-pure-2w is not on this machine (KVSTRATA_DATA)\n");
    return 0;
  }
  accesses all = read_all(open_trace(data / "kuairand-pure-2w", {}));
  fill_next_requests(all);
  std::printf(
      "Hits in %% at 5, 10, 20 %% of the users: whole trace (first week, second week; distance to Belady closed)\n");
  row<lru>("lru", all);
  row<s3_fifo>("s3_fifo", all);
  row<locality>("locality", all);
  row<thorough_locality>("thorough_locality", all);
  row<belady>("belady", all);

  std::printf("\nLeft out: whole trace (first week, second week, distance closed)\n");
  row<basic_locality<24, 12, without(0)>>("being known", all);
  row<basic_locality<24, 12, without(1)>>("visits just before", all);
  row<basic_locality<24, 12, without(2)>>("visits lately", all);
  row<basic_locality<24, 12, without(3)>>("steady visits", all);
  row<basic_locality<24, 12, without(4)>>("visits at this time of day", all);
  row<basic_locality<24, 12, without(5)>>("length of the history", all);
  row<basic_locality<24, 12, 63, false>>("learning: first weights stay", all);
  row<basic_locality<24, 1>>("second looks: one only", all);
  row<basic_locality<24, 2>>("second looks: two", all);
  row<basic_locality<12>>("memory: 12 users an object", all);
  row<basic_locality<8>>("memory: 8 users an object", all);
  row<basic_locality<1>>("memory: one user an object", all);
  accesses timeless = all;
  for (trace_access& one : timeless) {
    one.time_ms = 0;
  }
  row<locality>("times: requests are the clock", timeless, false);
  for (trace_access& one : timeless) one.tokens = 0;
  row<locality>("times and lengths", timeless, false);

  left_out_elsewhere("KuaiRand-Pure's interactions",
                     read_all(open_trace(data / "kuairand-pure-2w",
                                         {.kuairand = {.requests = {.stream = request_stream::interaction}}})));
  const std::filesystem::path blocks = data / "mooncake-conversation" / "conversation_trace.jsonl";
  if (std::filesystem::exists(blocks)) left_out_elsewhere("Mooncake's conversations", read_all(open_trace(blocks, {})));
  else std::printf("\nSKIPPED: Mooncake's conversations, because they are not on this machine (KVSTRATA_DATA)\n");

  weighted(stretched(all));
}
