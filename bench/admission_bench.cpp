// Who should be written to flash: hits against writes, for each admission policy over its parameter. No clock is read.
//
//   streams   KuaiRand-Pure's sessions; and traffic of users in sessions (simulate/session_traffic.hpp), which needs no
//             data, so that without KuaiRand only the latter is shown
//   levels    an LRU memory, below it a store that is replaced by fifo (a log) or lru. Who leaves the memory and has no
//             copy below is offered (simulate/store_below_memory.hpp). Sizes in shares of the users, or of their bytes,
//             where histories grow and their growth is written, too
//   counted   the whole stream from cold, with the writes that fill the store; and its second half (KuaiRand: week)
//   columns   writes a request, and hits in %, above and below: where sizes count, of bytes asked for; bytes written
//             for each that hits below found
//
//   lru_k      lru_k_admission<K>, behind it the store's replacement
//   with room  the same, but everybody comes in while there is room
//   by lru_k   lru_k<K> replaces as well: the paper's cache whole
//
// At the end one line a target: how far worth_writing's curve lies above lru_k's points at equal writes, in points of
// hits, with the same replacement; above the paper's whole cache with the best of lru, lru_k<2> and lru_k<3>.
// TARGET name value wanted met|short stream.
#include "command_line/source_dir.hpp"
#include "support/target.hpp"
#include "support/write_curves.hpp"

#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/admission/write_rate.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/simulate/any_admission.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/session_traffic.hpp>
#include <kvstrata/simulate/store_below_memory.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace bench;
using accesses = std::vector<trace_access>;

constexpr std::uint64_t everybody = 1U << 16U;              // is tracked, so that memory decides nothing
constexpr std::int64_t second_week_ms = 1'651'420'800'000;  // 2 May 2022, 00:00 UTC+8

struct stream
{
  std::string name;
  accesses all;
  std::int64_t second_half_ms = 0;
  double memory_percent = 1;  ///< of the users, or of their bytes
};

struct setting
{
  const stream* of = nullptr;
  tier_size memory;
  tier_size store;
  bool bytes = false;  ///< sizes count; else a user is one
};

/// Also lets in everybody while there is room.
template <std::size_t K>
struct with_room
{
  using option_kind = admission_option;
  explicit with_room(const tier_size& size) : strict(size, everybody) {}
  void requested(const object_info& info) { strict.requested(info); }
  bool admits(const object_info& candidate, const object_info* victim)
  {
    return strict.admits(candidate, victim) || victim == nullptr;
  }
  lru_k_admission<K> strict;
};

template <class Below>
point run(const setting& s, std::string name, any_admission door)
{
  store_below_memory<Below, any_admission> levels(s.memory, s.store, std::move(door));
  write_counts before;
  bool second = false;
  for (const trace_access& one : s.of->all) {
    if (!second && one.time_ms >= s.of->second_half_ms) {
      second = true;
      before = levels.counts();
    }
    levels.request(
        {.user = user_id{one.key}, .bytes = s.bytes ? one.bytes : 1, .tokens = one.tokens, .time_ms = one.time_ms});
  }
  return {std::move(name), {levels.counts(), levels.counts().since(before)}};
}

template <class Below, std::size_t K>
void lru_k_points(const setting& s, const char* by, curve& strict, curve& filling)
{
  const std::string name = "lru_k, K = " + std::to_string(K) + by;
  strict.push_back(run<Below>(s, name, any_admission(lru_k_admission<K>(s.store, everybody))));
  filling.push_back(run<Below>(s, name + ", with room", any_admission(with_room<K>(s.store))));
}

template <class Below>
curve worth(const setting& s, const char* by)
{
  curve out;
  for (const double price :
       {40.0, 20.0, 12.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.35, 0.25, 0.12, 0.0}) {
    char name[60];
    std::snprintf(name, sizeof name, "worth_writing, price %.2f%s", price, by);
    out.push_back(run<Below>(s, name, any_admission(worth_writing(s.store, {.price = price, .users = everybody}))));
  }
  return out;
}

template <class Below>
curve others(const setting& s)
{
  curve out;
  out.push_back(run<Below>(s, "always", any_admission(always{})));
  out.push_back(run<Below>(s, "second_use", any_admission(second_use(s.store))));
  out.push_back(run<Below>(s, "tiny_lfu", any_admission(tiny_lfu(s.store))));
  for (const std::uint64_t percent : {200U, 100U, 50U, 20U}) {
    const std::uint64_t rate = (std::max)(s.store.bytes * percent / 100 / (24 * 3600), std::uint64_t{1});
    if (!s.bytes) break;  // less than one user a second cannot be said
    out.push_back(run<Below>(s, "write_rate, " + std::to_string(percent) + " % of the store a day",
                             any_admission(write_rate(s.store, {.bytes_per_second = rate}))));
  }
  return out;
}

template <class Below>
curve measure(const setting& s, const char* name, double percent, leads& ahead)
{
  std::printf("\n%s, store of %g %% by %s, memory of %g %%%s\n  %-40s  %8s %7s %7s  %8s %7s %7s\n", s.of->name.c_str(),
              percent, name, s.of->memory_percent, s.bytes ? ", of bytes" : "", "", "writes", "hits", "w/read",
              "writes", "hits", "w/read");
  curve strict, filling;
  lru_k_points<Below, 1>(s, "", strict, filling);
  lru_k_points<Below, 2>(s, "", strict, filling);
  lru_k_points<Below, 3>(s, "", strict, filling);
  lru_k_points<Below, 4>(s, "", strict, filling);
  lru_k_points<Below, 6>(s, "", strict, filling);
  lru_k_points<Below, 10>(s, "", strict, filling);
  const curve ours = worth<Below>(s, "");
  print(others<Below>(s));
  print(strict);
  print(filling);
  print(ours);
  ahead.see({ours}, strict);
  ahead.see({ours}, filling);
  return ours;
}

/// The paper's cache whole, beside ours before lru, lru_k<2> and lru_k<3>.
void measure_by_lru_k(const setting& s, const curve& before_lru, leads& ahead)
{
  curve strict, filling;
  lru_k_points<lru_k<2>, 2>(s, ", by lru_k<2>", strict, filling);
  lru_k_points<lru_k<3>, 3>(s, ", by lru_k<3>", strict, filling);
  lru_k_points<lru_k<4>, 4>(s, ", by lru_k<4>", strict, filling);
  lru_k_points<lru_k<6>, 6>(s, ", by lru_k<6>", strict, filling);
  lru_k_points<lru_k<10>, 10>(s, ", by lru_k<10>", strict, filling);
  const std::vector<curve> ours{before_lru, worth<lru_k<2>>(s, ", by lru_k<2>"), worth<lru_k<3>>(s, ", by lru_k<3>")};
  print(strict);
  print(filling);
  print(ours[1]);
  print(ours[2]);
  ahead.see(ours, strict);
  ahead.see(ours, filling);
}

/// A store of that share, by each replacement.
void measure_all(const stream& of, double percent, bool bytes, leads& ahead)
{
  std::unordered_map<std::uint64_t, std::uint64_t> last;
  for (const trace_access& one : of.all) last[one.key] = bytes ? one.bytes : 1;
  std::uint64_t total = 0;
  for (const auto& [key, size] : last) total += size;
  const auto share = [&](double part) {
    const auto of_all = [part](std::uint64_t all) {
      return static_cast<std::uint64_t>(static_cast<double>(all) * part / 100);
    };
    return tier_size{.bytes = of_all(total), .objects = of_all(last.size())};
  };
  const setting s{.of = &of, .memory = share(of.memory_percent), .store = share(percent), .bytes = bytes};
  measure<fifo>(s, "fifo", percent, ahead);
  measure_by_lru_k(s, measure<lru>(s, "lru", percent, ahead), ahead);
}

void judge(const leads& of, const std::string& stream, double mean)
{
  const auto line = [&](const char* name, double value, double wanted) {
    bench::print({.name = name, .value = value, .way = better::more, .wanted = wanted, .stream = stream});
  };
  line("worth_writing_above_lru_k_least_points", of.whole.least, -0.2);
  line("worth_writing_above_lru_k_least_points_second_half", of.second_half.least, -0.2);
  line("worth_writing_above_lru_k_mean_points_second_half",
       of.second_half.sum / static_cast<double>(of.second_half.points), mean);
}

stream in_sessions()
{
  stream out{.name = "Traffic in sessions", .all = {}, .memory_percent = 4};
  session_traffic traffic({.users = 10'000});
  for (int i = 0; i < 300'000; ++i) {
    const arrival one = traffic.next();
    out.all.push_back({.key = to_number(one.asked.user),
                       .time_ms = one.asked.time_ms,
                       .bytes = (std::max)(std::uint64_t{one.asked.history_tokens}, std::uint64_t{1}),
                       .tokens = one.asked.history_tokens});
  }
  out.second_half_ms = out.all[out.all.size() / 2].time_ms;
  return out;
}

}  // namespace

int main()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path data =
      set != nullptr ? std::filesystem::path(set) : tools::source_dir() / "../shared/data";
  std::printf("Writes a request, hits in %%, bytes written a byte read: whole stream, and its second half\n");
  leads real, real_bytes, drawn;
  const bool found = std::filesystem::exists(data / "kuairand-pure-2w");
  if (found) {
    const stream kuairand{.name = "KuaiRand-Pure's sessions",
                          .all = read_all(open_trace(data / "kuairand-pure-2w", {})),
                          .second_half_ms = second_week_ms};
    for (const double percent : {10.0, 20.0, 50.0}) measure_all(kuairand, percent, false, real);
    for (const double percent : {10.0, 20.0}) measure_all(kuairand, percent, true, real_bytes);
  } else {
    std::printf("SKIPPED: the trace kuairand-pure-2w is not on this machine (KVSTRATA_DATA)\n");
  }
  const stream traffic = in_sessions();
  for (const double percent : {10.0, 20.0}) measure_all(traffic, percent, false, drawn);
  std::printf("\n");
  if (found) {
    judge(real, "kuairand_sessions", 0.5);
    judge(real_bytes, "kuairand_sessions_in_bytes", 0.5);
  }
  judge(drawn, "session_traffic", 0);
}
