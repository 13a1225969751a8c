// Predicts what a machine would do that is not at hand: the cache as it is in production on an emulated device in virtual
// time, with a model that only takes its time. Latencies and throughput come from the links, the compute and the overlap
// that the cache makes of them; no data is moved. What the host's own work takes is left out: it is microseconds a batch.
//
//   closed loop   the next batch is there when the one before is done: what the machine can bear
//   open loop     requests come at their own times and wait for their turn: what users see
//
// A batch is served when the one before is done. It takes the requests in their order up to its size, in an open loop those
// that have come by then. Requests of one user in it share an answer and count as merged (simulate/request_batch.hpp).
//
// Several workers, each with a compute stream of its own, share the cache: a batch goes to the first who is free. Where
// the device says so (emulated_device_config::share_compute) their kernels take turns at the multiprocessors; else each
// computes as if it had a GPU of its own.
#pragma once

#include <kvstrata/books/stats.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/queue_model.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/simulate/request_work.hpp>
#include <kvstrata/simulate/serving_observer.hpp>
#include <kvstrata/simulate/serving_report.hpp>
#include <kvstrata/simulate/serving_worker.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The cache lives on the device, whose time is virtual; `cost` speaks of a model with the cache's shape. Both must
/// outlive the simulator. For one thread.
template <class Cache>
class serving_simulator
{
 public:
  /// Throws usage_error when the device passes real time, config_error when the costs make no sense or are of a model
  /// with another number of layers, or there is no worker.
  serving_simulator(emulated_device& device, Cache& cache, const cost_model& cost, token_count candidates,
                    std::uint32_t streams = 1)
      : device_(&device), cache_(&cache), cost_(cost), candidates_(candidates), crew_(device, streams)
  {
    check(cost);
    if (cost.layers != cache.shape().layers) {
      throw config_error("cost_model.layers", cost.layers,
                         "the cache is for a model of " + std::to_string(cache.shape().layers) + " layers");
    }
    device.advance_host(0);
  }

  /// Serves a batch of distinct users on the first stream now and waits in virtual time until the model is done.
  /// `ahead`: who waits behind them; what the levels below the slab have of these is brought up meanwhile. A batch that
  /// does not fit is halved. Returns the seconds it took.
  double serve(std::span<const request> batch, std::span<const request> ahead = {})
  {
    const double begin = device_->now();
    carry_out(crew_.first(), batch, ahead);
    device_->wait_sync(device_->record(crew_.first().compute));
    return device_->now() - begin;
  }

  /// Serves what `next` -> std::optional<arrival> gives, until it gives nothing. Throws usage_error when an open loop's
  /// arrivals go back in time, or come at no time.
  template <class Next, serving_observer Observe = no_serving_observer>
  [[nodiscard]] serving_report run(Next&& next, const serving_options& options, Observe&& observe = {})
  {
    check(options);
    crew_.forget();
    const bool open = options.load == serving_load::open_loop;
    const double start = device_->now();
    std::uint64_t seen = 0;
    bool counts = false;
    mark from;
    serving_report out;
    out.streams = static_cast<std::uint32_t>(crew_.all().size());
    request_batch batch(options.batch_size);
    double latest = 0;
    std::deque<arrival> line;  // read, and not yet in a batch
    const auto come = [&] {
      std::optional<arrival> one = next();
      if (!one) return false;
      if (open) latest = detail::checked_arrival(one->seconds, latest);
      line.push_back(*one);
      return true;
    };
    std::vector<request> ahead;
    while (!line.empty() || come()) {
      worker* const who = crew_.free_one();
      if (who == nullptr) {
        finish_one(out, observe);
        continue;
      }
      double now = device_->now();
      if (open && start + line.front().seconds > now) {
        const double until = start + line.front().seconds;
        if (!crew_.is_free()) {
          if (finish_one(out, observe, until)) continue;
        } else {
          device_->advance_host(until - now);
        }
        now = until;  // the clock may have rounded it
      }
      if (!counts && seen >= options.warm_up) {
        counts = true;
        from = here();
      }
      batch.clear();
      who->asked.clear();
      const auto has_come = [&](const arrival& one) { return !open || start + one.seconds <= now; };
      while (!batch.full() && (!line.empty() || come()) && has_come(line.front())) {
        const arrival& one = line.front();
        who->asked.push_back({one.asked, open ? start + one.seconds : now, batch.add(one.asked)});
        line.pop_front();
      }
      ahead.clear();
      while (ahead.size() < options.prefetch && (ahead.size() < line.size() || come()) &&
             has_come(line[ahead.size()])) {
        ahead.push_back(line[ahead.size()].asked);
      }
      seen += who->asked.size();
      if (counts) out.merged += batch.merged();
      begin_batch<Observe>(*who, batch.requests(), ahead, !counts, out);
    }
    while (!crew_.is_free()) finish_one(out, observe);
    if (!counts) return out;
    mark::report(out, from, here());
    if (open) {
      out.arriving_seconds = (std::max)(start + latest - from.seconds, 0.0);
      out.drain_seconds = out.seconds - out.arriving_seconds;
    }
    return out;
  }

  /// Serves these batches one after the other on the first stream, each while the next `queued` ones wait behind it and
  /// are prefetched.
  template <serving_observer Observe = no_serving_observer>
  [[nodiscard]] serving_report run_batches(std::span<const std::vector<request>> batches, std::size_t queued = 0,
                                           Observe&& observe = {})
  {
    crew_.forget();
    const mark from = here();
    serving_report out;
    std::vector<request> ahead;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      ahead.clear();
      for (std::size_t next = b + 1; next <= b + queued && next < batches.size(); ++next) {
        ahead.insert(ahead.end(), batches[next].begin(), batches[next].end());
      }
      worker& who = crew_.first();
      who.asked.clear();
      for (const request& one : batches[b]) who.asked.push_back({one, device_->now(), who.asked.size()});
      begin_batch<Observe>(who, batches[b], ahead, false, out);
      finish_one(out, observe);
    }
    mark::report(out, from, here());
    return out;
  }

 private:
  using worker = detail::serving_worker;
  using mark = detail::serving_mark;

  [[nodiscard]] mark here() const
  {
    mark now = at_;
    const auto done = device_->stats();
    const cache_stats s = cache_->stats();
    now.seconds = device_->now();
    for (const worker& one : crew_.all()) {
      now.stalled += done.streams[static_cast<std::size_t>(one.compute)].stall_seconds;
    }
    for (level_index i = 0; i < s.depth; ++i) now.dropped += s.levels[i].dropped_tokens;
    now.parts.of(part_mode::replace).superseded = s.superseded_versions;
    now.parts.of(part_mode::append).superseded = s.forgotten.superseded - s.superseded_versions;
    now.up = done.to_device.bytes;
    now.down = done.from_device.bytes;
    return now;
  }

  /// A batch that answers who.asked goes on the worker's stream.
  template <class Observe>
  void begin_batch(worker& who, std::span<const request> batch, std::span<const request> ahead, bool warm_up,
                   serving_report& out)
  {
    who.looked_on = observes_serving<std::remove_cvref_t<Observe>>;
    who.sums.clear();
    who.warm_up = warm_up;
    who.began = device_->now();
    who.latencies = out.latencies.size();
    if (!warm_up) out.latencies.resize(out.latencies.size() + who.asked.size());
    carry_out(who, batch, ahead);
    who.looked_on = false;
    who.done = device_->record(who.compute);
    who.busy = true;
    ++at_.batches;
  }

  /// Waits for the next batch that is done, but not beyond `until`. Is one done?
  template <class Observe>
  bool finish_one(serving_report& out, Observe& observe, double until = std::numeric_limits<double>::infinity())
  {
    worker* const found = crew_.next_done(until);
    if (found == nullptr) return false;
    worker& who = *found;
    const double ended = device_->now();
    if constexpr (observes_serving<std::remove_cvref_t<Observe>>) {
      observe(served_batch{.began = who.began,
                           .ended = ended,
                           .warm_up = who.warm_up,
                           .stream = crew_.number_of(who),
                           .requests = who.asked,
                           .answers = who.sums});
    }
    if (who.warm_up) return true;
    const double took = ended - who.began;
    out.busy_seconds += took;
    out.longest_seconds = (std::max)(out.longest_seconds, took);
    for (std::size_t i = 0; i < who.asked.size(); ++i) {
      out.latencies[who.latencies + i] = (std::max)(ended - who.asked[i].arrived, 0.0);
    }
    return true;
  }

  void carry_out(worker& who, std::span<const request> batch, std::span<const request> ahead)
  {
    if (batch.empty()) return;
    try {
      if (auto lease = cache_->prepare(batch, who.compute)) {
        count(who, lease->plan());
        for (const request& r : ahead) static_cast<void>(cache_->prefetch(r));
        queue_model(*device_, who.compute, *lease, cost_, candidates_);
        lease->commit();
        lease->release();
        return;
      }
    } catch (const capacity_error&) {  // larger than the slab
    }
    if (batch.size() > 1) {
      carry_out(who, batch.first(batch.size() / 2), {});
      carry_out(who, batch.subspan(batch.size() / 2), ahead);
      return;
    }
    ++at_.unserved;
    const request& asked = batch.front();
    const auto tokens = static_cast<token_count>(kept_tokens_of(asked));
    at_.computed += tokens;
    at_.parts.add_computed(asked);
    if (who.looked_on) who.sums.push_back({.computed = tokens, .unserved = true});
    request_work work(cost_, candidates_);
    const auto add = [&work](part_mode mode, token_interval all) { work.add(mode, all, {&all, 1}); };
    if (asked.parts.empty()) add(part_mode::append, window_of(asked));
    for (const part& p : asked.parts) add(p.mode, {p.first_token, p.tokens});
    const double seconds = cost_.layers * work.layer_seconds();
    device_->launch(who.compute, {.label = "unserved", .seconds = seconds}, [] {});
  }

  void count(worker& who, const batch_plan& plan)
  {
    for (std::size_t asked = 0; asked < plan.size(); ++asked) {
      answer_sums sums;
      for (std::size_t part = 0; part < plan.parts(asked); ++part) {
        const request_plan& r = plan.requests[plan.row(asked, part)];
        const token_sources came = sources_of(plan.pieces_of(r));
        at_.parts.add(r.mode, came);
        if (r.mode == part_mode::scratch) continue;
        for (level_index i = 0; i < most_levels; ++i) sums.served[i] += came.from[i];
        sums.computed += came.computed;
        sums.recomputed += r.recomputed.size();
      }
      for (level_index i = 0; i < most_levels; ++i) at_.served[i] += sums.served[i];
      at_.computed += sums.computed;
      at_.recomputed += sums.recomputed;
      if (who.looked_on) who.sums.push_back(sums);
    }
  }

  emulated_device* device_;
  Cache* cache_;
  cost_model cost_;
  token_count candidates_;
  detail::serving_crew crew_;
  mark at_;
};

}  // namespace kvstrata
