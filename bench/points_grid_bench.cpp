// default_cache beside the paper's configuration and other split decisions, where host memory is short and where it is not,
// in virtual time: four machines x 32 to 512 GiB of host memory x batches of 1, 8, 32 x closed and open loop, five seeds.
//
// 1,000 users with KuaiRand-1K's published shape, histories of up to 40,960 tokens, two tokens an event; 12,000 requests,
// the first 4,000 warm up; MTServe's model with 512 candidates and its slab of 20 GiB. An open loop's rate goes with the
// machine, so that it is saturated where host memory is short: those cells are marked, and their latencies tell nothing but
// that. Every figure is a mean over the seeds; +- is the half width of Student's interval of 95 %, of ratios and differences
// seed by seed. At the end one line a target: TARGET name value wanted met|short.
//
//   req/s     throughput of default_cache, requests a second
//   name      the other's throughput as a multiple of default_cache's: below 1 default_cache is ahead
//   p99 ms    of default_cache, and in brackets how much shorter the other's is
//
// points_grid_bench [--quick]     one seed, 3,000 requests: a look, without targets
#include "support/grid/contestants.hpp"
#include "support/lone_hit.hpp"
#include "support/target.hpp"

#include <kvstrata/simulate/mean_interval.hpp>
#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace bench;
using kvstrata::arrival;
using kvstrata::interval_of;
using kvstrata::machine_description;
using kvstrata::mean_interval;
using kvstrata::token_count;

struct grid_machine
{
  const char* file;
  const char* shown;
  double rate;  ///< of the open loops, requests a second
};
constexpr grid_machine machines[] = {{"l20_pcie4.machine", "L20", 22},
                                     {"a100_pcie4.machine", "A100", 45},
                                     {"h200_pcie5.machine", "H200", 100},
                                     {"b200.machine", "B200", 145}};
constexpr double hosts[] = {32, 64, 128, 256, 512};
constexpr std::uint32_t batches[] = {1, 8, 32};

struct effort
{
  std::size_t seeds = 5;
  std::uint64_t requests = 12'000;
  std::uint64_t warm_up = 4'000;
};

/// At their own times; scaled to a rate when they are served.
std::vector<arrival> draw(std::uint64_t seed, std::uint64_t requests)
{
  const kvstrata::trace t = kvstrata::make_synthetic({.users = 1000, .days = 31, .requests = requests, .seed = seed});
  std::vector<arrival> out;
  const auto span = static_cast<double>(t.requests.back().time_ms - t.requests.front().time_ms);
  for (const auto& r : t.requests) {
    const token_count tokens = (std::min)(token_count{40'960}, 2 * r.history);
    out.push_back({.seconds = static_cast<double>(r.time_ms - t.requests.front().time_ms) / span,
                   .asked = {.user = t.users[r.user], .history_tokens = tokens, .time_ms = r.time_ms}});
  }
  return out;
}

std::vector<arrival> at_rate(std::vector<arrival> requests, double rate)
{
  const double seconds = rate > 0 ? static_cast<double>(requests.size()) / rate : 0;
  for (arrival& one : requests) one.seconds *= seconds;
  return requests;
}

/// A point, and what came of everybody: [contestant][seed].
struct row
{
  cell at;
  const grid_machine* machine;
  std::vector<std::vector<outcome>> of;

  [[nodiscard]] bool saturated(std::size_t who) const
  {
    return std::any_of(of[who].begin(), of[who].end(), [](const outcome& o) { return o.saturated; });
  }
  /// Over the seeds, of f(default_cache's outcome, the other's).
  template <class F>
  [[nodiscard]] mean_interval beside(std::size_t who, F&& f) const
  {
    std::vector<double> samples;
    for (std::size_t seed = 0; seed < of[who].size(); ++seed) samples.push_back(f(of[0][seed], of[who][seed]));
    return interval_of(samples);
  }
  [[nodiscard]] mean_interval throughput_ratio(std::size_t who) const
  {
    return beside(who, [](const outcome& mine, const outcome& other) { return other.per_second / mine.per_second; });
  }
  [[nodiscard]] mean_interval p99_lead(std::size_t who) const
  {
    return beside(who, [](const outcome& mine, const outcome& other) { return mine.p99 - other.p99; });
  }
  [[nodiscard]] mean_interval mean_lead(std::size_t who) const
  {
    return beside(who, [](const outcome& mine, const outcome& other) { return mine.mean - other.mean; });
  }
  [[nodiscard]] mean_interval mine(double outcome::* what) const
  {
    return beside(0, [&](const outcome& o, const outcome&) { return o.*what; });
  }
};

void print_head()
{
  std::printf("%-6s %5s %5s %5s %16s", "", "host", "batch", "rate", "req/s");
  for (const contestant& one : contestants().subspan(1)) std::printf(" %18s", one.name);
  std::printf("  %s\n", "p99 ms (by how much the other's is shorter)");
}

void print_row(const row& r)
{
  const mean_interval rate = r.mine(&outcome::per_second);
  std::printf("%-6s %5.0f %5u %5s %8.1f +- %4.1f", r.machine->shown, r.at.host_gib, r.at.batch,
              r.at.rate > 0 ? std::to_string(static_cast<int>(r.at.rate)).c_str() : "-", rate.mean, rate.half);
  for (std::size_t who = 1; who < contestants().size(); ++who) {
    const mean_interval ratio = r.throughput_ratio(who);
    std::printf("  %8.3f +- %5.3f", ratio.mean, ratio.half);
  }
  std::printf("  %8.1f%s (", 1e3 * r.mine(&outcome::p99).mean, r.saturated(0) ? "*" : "");
  for (std::size_t who = 1; who < contestants().size(); ++who) {
    std::printf("%s%.1f%s", who == 1 ? "" : ", ", 1e3 * r.p99_lead(who).mean, r.saturated(who) ? "*" : "");
  }
  std::printf(")\n");
}

double low(const mean_interval& of) { return of.mean - of.half; }
double high(const mean_interval& of) { return of.mean + of.half; }
/// Sums of doubles leave a last digit.
double rounded(double share) { return std::round(share * 1e9) / 1e9; }

/// The worst cell of all, as a target.
void judge(const std::vector<row>& rows)
{
  std::vector<target> targets;
  for (std::size_t who = 1; who <= rivals; ++who) {
    const std::string name = contestants()[who].name;
    double throughput = 0;
    double p99 = 0;  // beyond the interval, as a share of default_cache's
    for (const row& r : rows) {
      throughput = (std::max)(throughput, r.throughput_ratio(who).mean);
      if (r.saturated(0) || r.saturated(who)) continue;
      p99 = (std::max)(p99, rounded(low(r.p99_lead(who)) / r.mine(&outcome::p99).mean));
    }
    targets.push_back({.name = name + "_throughput_over_default_worst_cell", .value = throughput, .wanted = 1.01});
    targets.push_back({.name = name + "_p99_lead_beyond_the_interval_worst_cell", .value = p99, .wanted = 0});
  }
  for (const row& r : rows) {
    if (std::strcmp(r.machine->shown, "H200") != 0 || r.at.host_gib != 256 || r.at.batch != 8 || r.at.rate > 0)
      continue;
    targets.push_back({.name = "default_requests_per_second_h200_256_gib_batch_8",
                       .value = r.mine(&outcome::per_second).mean,
                       .way = better::more,
                       .wanted = 201.9});
    targets.push_back({.name = "default_over_mtserve_h200_256_gib_batch_8",
                       .value = 1 / r.throughput_ratio(1).mean,
                       .way = better::more,
                       .wanted = 201.9 / 166.8});
  }
  const std::size_t locality = contestants().size() - 1;
  double latency = 0;  // of lru's lead in the mean beyond the interval, as a share of lru's
  for (const row& r : rows) {
    if (r.saturated(0) || r.saturated(locality)) continue;
    latency = (std::max)(latency, rounded(-high(r.mean_lead(locality)) / r.mine(&outcome::mean).mean));
  }
  targets.push_back(
      {.name = "lru_latency_lead_over_locality_beyond_the_interval_worst_cell", .value = latency, .wanted = 0});
  for (const target& t : targets) print(t);
}

void serve_all(std::vector<row>& rows, const std::vector<std::vector<arrival>>& drawn, const effort& wanted)
{
  // A piece of work is a cell and a seed; a cell is told when its last seed is done, in the order of the cells.
  std::map<double, std::vector<std::vector<arrival>>> at;  // [rate][seed]
  for (const row& r : rows) {
    if (at.contains(r.at.rate)) continue;
    for (const std::vector<arrival>& one : drawn) at[r.at.rate].push_back(at_rate(one, r.at.rate));
  }
  std::vector<std::size_t> left(rows.size(), wanted.seeds);
  std::atomic<std::size_t> next = 0;
  std::size_t told = 0;
  std::mutex mutex;
  std::exception_ptr fault;
  const auto work = [&] {
    for (std::size_t n; (n = next++) < rows.size() * wanted.seeds;) {
      row& r = rows[n / wanted.seeds];
      const std::size_t seed = n % wanted.seeds;
      try {
        for (std::size_t who = 0; who < contestants().size(); ++who) {
          r.of[who][seed] = contestants()[who].serve(r.at, at[r.at.rate][seed], wanted.warm_up);
        }
      } catch (...) {
        const std::scoped_lock hold(mutex);
        fault = std::current_exception();
        next = rows.size() * wanted.seeds;
        return;
      }
      const std::scoped_lock hold(mutex);
      --left[n / wanted.seeds];
      for (; told < rows.size() && left[told] == 0; ++told) print_row(rows[told]);
      std::fflush(stdout);
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < (std::max)(1U, std::thread::hardware_concurrency()); ++i) others.emplace_back(work);
    work();
  }
  if (fault) std::rethrow_exception(fault);
}

}  // namespace

int main(int count, char** arguments)
{
  const bool quick = count == 2 && std::strcmp(arguments[1], "--quick") == 0;
  if (count > 1 && !quick) {
    std::fprintf(stderr, "points_grid_bench knows no option '%s', only --quick.\n", arguments[1]);
    return 2;
  }
  const effort wanted = quick ? effort{.seeds = 1, .requests = 3'000, .warm_up = 1'000} : effort{};
  std::vector<machine_description> described;
  for (const grid_machine& m : machines) described.push_back(shipped_machine(m.file));
  std::vector<std::vector<arrival>> drawn;
  for (std::uint64_t seed = 1; seed <= wanted.seeds; ++seed) drawn.push_back(draw(seed, wanted.requests));
  std::vector<row> rows;
  for (std::size_t m = 0; m < described.size(); ++m) {
    for (const double host : hosts) {
      for (const std::uint32_t batch : batches) {
        for (const double rate : {0.0, machines[m].rate}) {
          rows.push_back({.at = {&described[m], host, batch, rate},
                          .machine = &machines[m],
                          .of = std::vector(contestants().size(), std::vector<outcome>(wanted.seeds))});
        }
      }
    }
  }
  std::printf("%zu cells, %zu seeds, %llu requests; host in GiB; * saturated\n\n", rows.size(), wanted.seeds,
              static_cast<unsigned long long>(wanted.requests));
  print_head();
  serve_all(rows, drawn, wanted);
  std::printf("\n");
  if (!quick) judge(rows);
}
