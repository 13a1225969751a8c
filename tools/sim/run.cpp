#include "sim/run.hpp"

#include "sim/twice_read.hpp"

#include "command_line/machine_memory.hpp"
#include "replay/format.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>
#include <kvstrata/simulate/sampled_instance.hpp>
#include <kvstrata/simulate/shipped_admissions.hpp>
#include <kvstrata/simulate/sweep.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

namespace sim {
namespace {

using instance_list = std::vector<std::unique_ptr<kvstrata::sweep_instance>>;

std::uint64_t warmup_requests(const std::string& text, const kvstrata::footprint& f, bool is_once)
{
  if (text.empty()) return 0;
  if (is_once) return read_stretch("--warmup", text).requests;  // looked at afterwards
  const bool is_share = text.back() == '%';
  const std::uint64_t out =
      is_share
          ? static_cast<std::uint64_t>(read_capacity("--warmup", text).amount / 100 * static_cast<double>(f.requests))
          : read_stretch("--warmup", text).requests;
  if (out >= f.requests) {
    throw kvstrata::config_error(
        "--warmup", "'" + text + "'",
        "the trace has " + replay::with_commas(f.requests) + " requests, and something must be left to be counted");
  }
  return out;
}

kvstrata::interval_options intervals_of(const options& o, const kvstrata::footprint& f, bool is_once)
{
  kvstrata::interval_options out{.warmup_requests = warmup_requests(o.warmup, f, is_once)};
  if (o.interval.empty()) return out;
  const stretch every = read_stretch("--interval", o.interval);
  if (every.ms != 0 && !f.is_timed) {
    throw kvstrata::config_error("--interval", "'" + o.interval + "'",
                                 "the trace tells no times: give a number of requests");
  }
  out.every_requests = every.requests;
  out.every_ms = every.ms;
  const std::uint64_t stretches = every.requests != 0
                                      ? f.requests / every.requests
                                      : (std::min)(f.span_ms / static_cast<std::uint64_t>(every.ms), f.requests);
  if (stretches > 100'000) {
    throw kvstrata::config_error("--interval", "'" + o.interval + "'",
                                 "that makes up to " + std::to_string(stretches) + " intervals; 100000 are the limit");
  }
  return out;
}

struct planned_step
{
  step shown;
  kvstrata::tier_size size;
  double objects = 0;  ///< that fit in, about
};

double share_of(std::uint64_t size, const options& o, const kvstrata::footprint& f)
{
  const bool unit = o.object_sizes() == kvstrata::object_size::unit;
  const auto whole = static_cast<double>(unit ? f.objects : f.bytes);
  return whole > 0 ? static_cast<double>(size) / whole : 0;
}

std::vector<planned_step> plan_steps(const options& o, const kvstrata::footprint& f, bool is_once)
{
  std::vector<planned_step> out;
  for (const std::string& text : o.capacities) {
    const kvstrata::tier_size size = size_of(read_capacity("--capacities", text), f, o.object_sizes());
    const double share = share_of(size.bytes, o, f);
    out.push_back({.shown = {text, size.bytes, share},
                   .size = size,
                   .objects = is_once ? static_cast<double>(size.objects)
                                      : (std::min)(share, 1.0) * static_cast<double>(f.objects)});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const planned_step& a, const planned_step& b) { return a.size.bytes < b.size.bytes; });
  const auto same = [](const planned_step& a, const planned_step& b) { return a.size.bytes == b.size.bytes; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

/// Bytes that a policy allocates beside the objects for each of tier_size::objects: upper bounds of what was counted
/// for 58,000 to 131,073 objects, tables filled at their worst.
double remembered_bytes(std::string_view policy)
{
  struct entry
  {
    std::string_view policy;
    double bytes;
  };
  constexpr std::array<entry, 14> known{{{"lfu", 48},
                                         {"random", 24},
                                         {"two_q", 40},
                                         {"arc", 72},
                                         {"lirs", 88},
                                         {"s3_fifo", 72},
                                         {"lru_k", 96},
                                         {"correlated_lru_k", 96},
                                         {"lrfu", 720},
                                         {"hyperbolic", 24},
                                         {"lhd", 24},
                                         {"w_tiny_lfu", 24},
                                         {"locality", 640},
                                         {"thorough_locality", 640}}};
  for (const entry& one : known) {
    if (one.policy == policy) return one.bytes;
  }
  return 0;
}

/// The same of an admission policy.
double remembered_at_door(std::string_view admission)
{
  if (admission == "second_use") return 120;
  if (admission == "lru_k_admission") return 4 * 60;  // users for each object
  if (admission == "worth_writing") return 8 * 18;
  return admission == "tiny_lfu" ? 24 : 0;
}

/// Throws kvstrata::config_error when the caches would not fit into this machine's memory.
void require_memory(std::span<const planned_step> steps, std::span<const kvstrata::menu_policy* const> policies,
                    std::span<const std::string> admissions, double rate, std::uint64_t held_bytes)
{
  constexpr double object_bytes = 120;  // of the largest hook, with its share of the index
  const double instances = rate * (rate < 1 ? 3 : 1);
  const std::size_t curves = policies.size() * admissions.size();
  auto wanted = static_cast<double>(held_bytes);
  for (const planned_step& one : steps) {
    const auto whole = static_cast<double>(one.size.objects);
    for (const kvstrata::menu_policy* policy : policies) {
      for (const std::string& admission : admissions) {
        wanted += instances * (one.objects * object_bytes +
                               whole * (remembered_bytes(policy->name) + remembered_at_door(admission)));
      }
    }
  }
  const auto there = static_cast<double>(tools::machine_memory());
  if (there == 0 || wanted < 0.8 * there) return;
  throw kvstrata::config_error("--capacities",
                               std::to_string(steps.size()) + " sizes for " + std::to_string(curves) + " policies",
                               "these caches need about " + replay::bytes_text(static_cast<std::uint64_t>(wanted)) +
                                   " and this machine has " + replay::bytes_text(static_cast<std::uint64_t>(there)) +
                                   ": ask for fewer or smaller ones, or for a sample (--sample 0.01)");
}

/// Scaled as the cache is: a sample writes its share.
std::uint64_t scaled_rate(const options& o, double rate)
{
  if (o.write_rate.empty()) return 0;
  const auto whole = static_cast<double>(read_bytes("--write-rate", o.write_rate));
  return (std::max)(std::uint64_t{1}, static_cast<std::uint64_t>(std::llround(whole * rate)));
}

trace_result run_one(const named_trace& which, const options& o, const kvstrata::cost_model* cost, results& all,
                     replay::progress& shown)
{
  const std::vector<const kvstrata::menu_policy*> policies = chosen_policies(o);
  const bool needs_future =
      std::any_of(policies.begin(), policies.end(), [](const auto* p) { return p->needs_future; });
  twice_read trace(which, o, needs_future, shown);
  const kvstrata::footprint& touched = trace.touched();
  const std::vector<planned_step> steps = plan_steps(o, touched, trace.is_once());
  const auto sample = o.sample < 1 ? kvstrata::spatial_sample(o.sample, o.seed) : kvstrata::spatial_sample();
  const kvstrata::interval_options intervals = intervals_of(o, touched, trace.is_once());
  require_memory(steps, policies, o.admissions, sample.rate(), trace.held_bytes());
  trace.load();

  trace_result out;
  out.name = which.name;
  out.path = which.path;
  instance_list instances;
  for (const kvstrata::menu_policy* policy : policies) {
    for (const std::string& admission : o.admissions) {
      const std::string name = admission == "always" ? policy->name : policy->name + " + " + admission;
      out.curves.push_back({policy->name, admission, name, policy->needs_future, {}});
      const auto make = [&](const kvstrata::tier_size& size) {
        return policy->make(size, o.object_sizes(),
                            kvstrata::make_admission_named(admission, size, scaled_rate(o, sample.rate())));
      };
      for (const planned_step& one : steps) {
        if (sample.takes_all()) instances.push_back(make(one.size));
        else instances.push_back(std::make_unique<kvstrata::sampled_instance>(one.size, one.objects, sample, make));
      }
    }
  }

  shown.start("replaying " + which.name, touched.requests);
  std::uint64_t told = 0;
  const auto tell = [&](std::uint64_t requests) { shown.advance(requests - std::exchange(told, requests)); };
  const auto began = std::chrono::steady_clock::now();
  const kvstrata::sweep_account account =
      kvstrata::run_sweep(trace, std::span(std::as_const(instances)),
                          {.intervals = intervals, .sample = sample, .cost = cost, .threads = o.threads}, tell);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  shown.finish(std::to_string(instances.size()) + " caches");
  trace.finish();
  if (account.requests == 0) trace.refuse_empty(which);
  if (account.counted.requests == 0) {
    throw kvstrata::config_error("--warmup", "'" + o.warmup + "'",
                                 "the trace has " + replay::with_commas(account.requests) +
                                     " requests, and something must be left to be counted");
  }
  out.touched = touched;
  out.notes = trace.notes();
  out.in_parts = trace.in_parts();
  for (const planned_step& one : steps) {
    out.steps.push_back(one.shown);
    out.steps.back().share = share_of(one.size.bytes, o, touched);
  }

  if (account.shown == 0) {
    throw kvstrata::config_error(
        "--sample", replay::fixed(o.sample, 6),
        "none of the counted requests of " + which.name + " is in it: take a larger one, or another --seed");
  }
  out.counted = account.counted;
  out.warmup_requests = intervals.warmup_requests;
  if (!o.interval.empty()) out.intervals = account.intervals;
  std::size_t next = 0;
  for (curve& one : out.curves) {
    for (std::size_t k = 0; k < steps.size(); ++k) {
      const kvstrata::sweep_instance& cache = *instances[next++];
      point p{.missed = cache.misses(),
              .miss = {cache.misses(), account.counted, sample.rate()},
              .error = cache.error(sample.rate(), account.counted.requests),
              .objects = cache.objects(),
              .metadata_bytes = cache.metadata_bytes(),
              .series = {}};
      for (std::size_t i = 0; i < out.intervals.size(); ++i) {
        const bool there = i < cache.series().size();
        p.series.emplace_back(there ? cache.series()[i] : kvstrata::sweep_misses{}, out.intervals[i].asked,
                              sample.rate());
      }
      one.points.push_back(std::move(p));
    }
  }
  all.rate = sample.rate();
  return out;
}

}  // namespace

results run(const options& o, replay::progress& shown)
{
  results out;
  out.sizes = o.sizes;
  out.interval = o.interval;
  out.threads = o.threads != 0 ? o.threads : (std::max)(1U, std::thread::hardware_concurrency());
  std::optional<kvstrata::cost_model> cost;
  if (!o.machine.empty()) {
    const kvstrata::machine_description m = kvstrata::read_machine(o.machine);
    cost = kvstrata::cost_of(m);
    out.machine = kvstrata::valid_text(m.name);
  }
  for (const named_trace& which : list_traces(o.traces)) {
    out.traces.push_back(run_one(which, o, cost ? &*cost : nullptr, out, shown));
  }
  return out;
}

}  // namespace sim
