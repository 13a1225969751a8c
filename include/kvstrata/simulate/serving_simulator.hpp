// Predicts what a machine would do that is not at hand: the cache as it is in production on an emulated device in virtual
// time, with a model that only takes its time. Latencies and throughput come from the links, the compute and the overlap
// that the cache makes of them; no data is moved. What the host's own work takes is left out: it is microseconds a batch.
//
//   closed loop   the next batch is there when the one before is done: what the machine can bear
//   open loop     requests come at their own times and wait for their turn: what users see
//
// A batch is served when the one before is done. It takes the requests in their order up to its size, in an open loop those
// that have come by then. Requests of one user in it share an answer and count as merged (simulate/request_batch.hpp).
#pragma once

#include <kvstrata/books/stats.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/queue_model.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/simulate/serving_observer.hpp>
#include <kvstrata/simulate/serving_report.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace kvstrata {

/// The cache lives on the device, whose time is virtual; `cost` speaks of a model with the cache's shape. Both must
/// outlive the simulator. For one thread.
template <class Cache>
class serving_simulator
{
 public:
  /// Throws usage_error when the device passes real time, config_error when the costs make no sense or are of a model
  /// with another number of layers.
  serving_simulator(emulated_device& device, Cache& cache, const cost_model& cost, token_count candidates)
      : device_(&device),
        cache_(&cache),
        cost_(cost),
        candidates_(candidates),
        compute_(device.create_stream("compute"))
  {
    check(cost);
    if (cost.layers != cache.shape().layers) {
      throw config_error("cost_model.layers", cost.layers,
                         "the cache is for a model of " + std::to_string(cache.shape().layers) + " layers");
    }
    device.advance_host(0);
  }

  /// Serves a batch of distinct users now and waits in virtual time until the model is done. `ahead`: who waits behind
  /// them; what the levels below the slab have of these is brought up meanwhile. A batch that does not fit is halved. Returns the
  /// seconds it took.
  double serve(std::span<const request> batch, std::span<const request> ahead = {})
  {
    const double begin = device_->now();
    carry_out(batch, ahead);
    device_->wait_sync(device_->record(compute_));
    return device_->now() - begin;
  }

  /// Serves what `next` -> std::optional<arrival> gives, until it gives nothing. Throws usage_error when an open loop's
  /// arrivals go back in time, or come at no time.
  template <class Next, serving_observer Observe = no_serving_observer>
  [[nodiscard]] serving_report run(Next&& next, const serving_options& options, Observe&& observe = {})
  {
    check(options);
    const bool open = options.load == serving_load::open_loop;
    const double start = device_->now();
    std::uint64_t seen = 0;
    bool counts = false;
    mark from;
    serving_report out;
    request_batch batch(options.batch_size);
    double latest = 0;
    std::deque<arrival> line;  // read, and not yet in a batch
    const auto come = [&] {
      std::optional<arrival> one = next();
      if (!one) return false;
      if (open) latest = checked_time(one->seconds, latest);
      line.push_back(*one);
      return true;
    };
    std::vector<request> ahead;
    while (!line.empty() || come()) {
      double now = device_->now();
      if (open && start + line.front().seconds > now) {
        const double until = start + line.front().seconds;
        device_->advance_host(until - now);
        now = until;  // the clock may have rounded it
      }
      if (!counts && seen >= options.warm_up) {
        counts = true;
        from = here();
      }
      batch.clear();
      asked_.clear();
      const auto has_come = [&](const arrival& one) { return !open || start + one.seconds <= now; };
      while (!batch.full() && (!line.empty() || come()) && has_come(line.front())) {
        const arrival& one = line.front();
        asked_.push_back({one.asked, open ? start + one.seconds : now, batch.add(one.asked)});
        line.pop_front();
      }
      ahead.clear();
      while (ahead.size() < options.prefetch && (ahead.size() < line.size() || come()) &&
             has_come(line[ahead.size()])) {
        ahead.push_back(line[ahead.size()].asked);
      }
      const double took = serve_observed(batch.requests(), ahead, !counts, observe);
      seen += asked_.size();
      if (!counts) continue;
      out.merged += batch.merged();
      count_batch(out, took);
      for (const served_request& one : asked_) {
        out.latencies.push_back((std::max)(device_->now() - one.arrived, 0.0));
      }
    }
    if (!counts) return out;
    report(out, from, here());
    if (open) {
      out.arriving_seconds = (std::max)(start + latest - from.seconds, 0.0);
      out.drain_seconds = out.seconds - out.arriving_seconds;
    }
    return out;
  }

  /// Serves these batches one after the other, each while the next `queued` ones wait behind it and are prefetched.
  template <serving_observer Observe = no_serving_observer>
  [[nodiscard]] serving_report run_batches(std::span<const std::vector<request>> batches, std::size_t queued = 0,
                                           Observe&& observe = {})
  {
    const mark from = here();
    serving_report out;
    std::vector<request> ahead;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      ahead.clear();
      for (std::size_t next = b + 1; next <= b + queued && next < batches.size(); ++next) {
        ahead.insert(ahead.end(), batches[next].begin(), batches[next].end());
      }
      asked_.clear();
      for (const request& one : batches[b]) asked_.push_back({one, device_->now(), asked_.size()});
      const double took = serve_observed(batches[b], ahead, false, observe);
      count_batch(out, took);
      out.latencies.insert(out.latencies.end(), batches[b].size(), took);
    }
    report(out, from, here());
    return out;
  }

 private:
  static double checked_time(double seconds, double before)
  {
    if (seconds >= before && std::isfinite(seconds)) return seconds;
    if (seconds >= 0 && seconds < before) {
      throw usage_error("the arrivals go back in time, from " + std::to_string(before) + " s to " +
                        std::to_string(seconds) + " s; sort them");
    }
    throw usage_error("a request arrives at " + std::to_string(seconds) +
                      " s, but it must be a finite number, at least 0");
  }

  /// Everything that only grows.
  struct mark
  {
    double seconds = 0;
    double stalled = 0;
    std::uint64_t batches = 0;
    std::uint64_t unserved = 0;
    by_level<std::uint64_t> served{};
    std::uint64_t computed = 0;
    std::uint64_t recomputed = 0;
    std::uint64_t dropped = 0;
    std::uint64_t up = 0;
    std::uint64_t down = 0;
  };

  [[nodiscard]] mark here() const
  {
    mark now = at_;
    const auto done = device_->stats();
    const cache_stats s = cache_->stats();
    now.seconds = device_->now();
    now.stalled = done.streams[static_cast<std::size_t>(compute_)].stall_seconds;
    for (level_index i = 0; i < s.depth; ++i) now.dropped += s.levels[i].dropped_tokens;
    now.up = done.to_device.bytes;
    now.down = done.from_device.bytes;
    return now;
  }

  static void report(serving_report& out, const mark& from, const mark& to)
  {
    out.requests = out.latencies.size();
    out.batches = to.batches - from.batches;
    out.unserved = to.unserved - from.unserved;
    out.seconds = to.seconds - from.seconds;
    out.stalled_seconds = to.stalled - from.stalled;
    for (level_index i = 0; i < most_levels; ++i) out.served_tokens[i] = to.served[i] - from.served[i];
    out.computed_tokens = to.computed - from.computed;
    out.recomputed_tokens = to.recomputed - from.recomputed;
    out.dropped_tokens = to.dropped - from.dropped;
    out.onload_bytes = to.up - from.up;
    out.offload_bytes = to.down - from.down;
  }

  /// A batch that answers asked_.
  template <class Observe>
  double serve_observed(std::span<const request> batch, std::span<const request> ahead, bool warm_up, Observe& observe)
  {
    constexpr bool told = observes_serving<std::remove_cvref_t<Observe>>;
    looked_on_ = told;
    sums_.clear();
    const double began = device_->now();
    const double took = serve(batch, ahead);
    ++at_.batches;
    looked_on_ = false;
    if constexpr (told) {
      observe(served_batch{
          .began = began, .ended = device_->now(), .warm_up = warm_up, .requests = asked_, .answers = sums_});
    }
    return took;
  }

  static void count_batch(serving_report& out, double took)
  {
    out.busy_seconds += took;
    out.longest_seconds = (std::max)(out.longest_seconds, took);
  }

  void carry_out(std::span<const request> batch, std::span<const request> ahead)
  {
    if (batch.empty()) return;
    try {
      if (auto lease = cache_->prepare(batch, compute_)) {
        count(lease->plan());
        for (const request& r : ahead) static_cast<void>(cache_->prefetch(r));
        queue_model(*device_, compute_, *lease, cost_, candidates_);
        lease->commit();
        lease->release();
        return;
      }
    } catch (const capacity_error&) {  // larger than the slab
    }
    if (batch.size() > 1) {
      carry_out(batch.first(batch.size() / 2), {});
      carry_out(batch.subspan(batch.size() / 2), ahead);
      return;
    }
    ++at_.unserved;
    const token_interval all[] = {window_of(batch.front())};
    at_.computed += all[0].size();
    if (looked_on_) sums_.push_back({.computed = all[0].size(), .unserved = true});
    const double seconds = cost_.layers * layer_seconds(cost_, candidates_, all, all[0].end, all[0].begin);
    device_->launch(compute_, {.label = "unserved", .seconds = seconds}, [] {});
  }

  void count(const batch_plan& plan)
  {
    for (const request_plan& r : plan.requests) {
      const token_sources came = sources_of(plan.pieces_of(r));
      for (level_index i = 0; i < most_levels; ++i) at_.served[i] += came.from[i];
      at_.computed += came.computed;
      at_.recomputed += r.recomputed.size();
      if (looked_on_) {
        sums_.push_back({.served = came.from, .computed = came.computed, .recomputed = r.recomputed.size()});
      }
    }
  }

  emulated_device* device_;
  Cache* cache_;
  cost_model cost_;
  token_count candidates_;
  stream_id compute_;
  mark at_;
  std::vector<served_request> asked_;  // that the batch answers
  bool looked_on_ = false;
  std::vector<answer_sums> sums_;  // by the batch's users, where somebody looks on
};

}  // namespace kvstrata
