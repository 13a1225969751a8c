#include "sim/machine_grid.hpp"

#include "sim/machine_codes.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <thread>
#include <utility>

namespace sim {
namespace {

using namespace kvstrata;

/// Runs tasks in their order on some threads; those that have not begun are given up when it goes.
class crew
{
 public:
  crew(std::vector<std::packaged_task<machine_result()>>& tasks, std::size_t threads) : tasks_(&tasks)
  {
    for (std::size_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        for (std::size_t next = at_++; next < tasks_->size(); next = at_++) (*tasks_)[next]();
      });
    }
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew()
  {
    at_ = tasks_->size();
    for (std::thread& one : threads_) one.join();
  }

 private:
  std::vector<std::packaged_task<machine_result()>>* tasks_;
  std::atomic<std::size_t> at_{0};
  std::vector<std::thread> threads_;
};

template <class T>
void require_some(const char* option, const std::vector<T>& list)
{
  if (list.empty()) throw config_error(option, "empty", "at least one must be given");
}

std::vector<arrival> requests_of(const named_trace& trace, const trace_arguments& arguments, const machine_load& load,
                                 trace_notes& notes)
{
  if (load.requests_a_day > 0) {
    return draw_sessions(load, arguments.users, arguments.history_scale, arguments.seed);
  }
  any_source source = open(trace, arguments);
  std::vector<arrival> read = read_arrivals(source, load);
  notes = source.notes();
  return read;
}

}  // namespace

std::vector<machine_point> points_of(const machine_lists& l)
{
  require_some("--caches", l.caches);
  require_some("--slab-policies", l.slab_policies);
  require_some("--arena-policies", l.arena_policies);
  require_some("--device-gib", l.device_gib);
  require_some("--host-gib", l.host_gib);
  require_some("--batch", l.batch);
  require_some("--rate", l.rate);
  require_some("--streams", l.streams);
  check_codes(l);
  std::vector<machine_point> out;
  const std::vector<std::string> lru{"lru"};
  for (const std::string& cache : l.caches) {
    const bool alone = cache == "device_only";
    for (const std::string& slab : cache == "mtserve" ? lru : l.slab_policies) {
      for (const std::string& arena : alone || cache == "mtserve" ? lru : l.arena_policies) {
        for (const double device : l.device_gib) {
          for (const double host : alone ? std::vector<double>{0} : l.host_gib) {
            for (const std::uint32_t batch : l.batch) {
              for (const double rate : l.rate) {
                for (const std::uint32_t streams : l.streams) {
                  out.push_back({cache, slab, arena, device, host, batch, rate, streams});
                  check(out.back());
                }
              }
            }
          }
        }
      }
    }
  }
  // What was asked for is checked also where no cache takes it.
  for (const std::string& slab : l.slab_policies) check(machine_point{.slab_policy = slab});
  for (const std::string& arena : l.arena_policies) check(machine_point{.arena_policy = arena});
  for (const double host : l.host_gib) check(machine_point{.host_gib = host});
  return cross_codecs(std::move(out), l);
}

mean_interval machine_cell::of(const std::function<double(const serving_report&)>& figure) const
{
  std::vector<double> all;
  for (const machine_result& one : runs) all.push_back(figure(one.report));
  return interval_of(all);
}

std::uint64_t machine_cell::sum(const std::function<std::uint64_t(const serving_report&)>& count) const
{
  std::uint64_t all = 0;
  for (const machine_result& one : runs) all += count(one.report);
  return all;
}

part_counts machine_cell::parts() const
{
  part_counts all;
  for (const machine_result& one : runs) all += one.report.parts;
  return all;
}

std::size_t machine_cell::saturated() const
{
  return static_cast<std::size_t>(
      std::count_if(runs.begin(), runs.end(), [](const machine_result& one) { return one.report.saturated(); }));
}

void run_grid(const machine_grid& grid, const named_trace& trace, const trace_arguments& arguments,
              const machine_load& load, const std::function<void(std::size_t, const trace_notes&)>& begin,
              const std::function<void(machine_cell&)>& done)
{
  kept_parts kept;
  std::map<std::pair<double, std::uint32_t>, std::vector<arrival>> requests;  // by rate and seed
  for (std::uint32_t seed = 0; seed < grid.seeds; ++seed) {
    trace_arguments its = arguments;
    its.seed += seed;
    trace_notes notes;
    std::vector<arrival> read = requests_of(trace, its, load, notes);
    cut_into_parts(read, load.parts, load.requests_a_day > 0 ? 0 : trace_zone_ms, kept);
    for (const machine_point& point : grid.points) {
      auto& here = requests[{point.rate, seed}];
      if (here.empty()) here = at_rate(read, point.rate, trace.name);
    }
    if (seed == 0) begin(read.size(), notes);
  }

  std::vector<machine_cell> cells;
  std::vector<std::string> starts;  // of a run's rows
  for (const machine_description& m : grid.machines) {
    for (const machine_point& point : grid.points) {
      cells.push_back({.trace = trace.name, .machine = &m, .point = point, .runs = {}});
      for (std::uint32_t seed = 0; seed < grid.seeds; ++seed) {
        starts.push_back(std::to_string(cells.size() - 1) + ',' + std::to_string(arguments.seed + seed) + ',');
      }
    }
  }
  std::vector<std::packaged_task<machine_result()>> tasks;
  std::vector<std::future<machine_result>> results;
  for (const machine_cell& cell : cells) {
    for (std::uint32_t seed = 0; seed < grid.seeds; ++seed) {
      const std::vector<arrival>& asked = requests.at({cell.point.rate, seed});
      const std::string* const row_start = grid.rows ? &starts[tasks.size()] : nullptr;
      tasks.emplace_back(
          [&cell, &asked, &load, row_start] { return serve(*cell.machine, asked, load, cell.point, row_start); });
      results.push_back(tasks.back().get_future());
    }
  }
  const std::size_t cores = (std::max)(1U, std::thread::hardware_concurrency());
  crew workers(tasks, (std::min)(grid.threads == 0 ? cores : grid.threads, tasks.size()));
  std::size_t next = 0;
  for (machine_cell& cell : cells) {
    for (std::uint32_t seed = 0; seed < grid.seeds; ++seed) cell.runs.push_back(results[next++].get());
    done(cell);
    for (machine_result& run : cell.runs) run = {};  // latencies are many
  }
}

}  // namespace sim
