// Predicts what boxes of GPUs would do that share memory and links: a slab for each GPU, one arena for each box, links that
// one or more GPUs share, and a route that sends every request to a GPU. No such cache is built; so this simulator, unlike
// the others, is not the cache itself:
//
//   who is where      the replacement types of production, on whole users (simulate/object_cache.hpp): a slab does not shed a
//                     user's front. It is as much smaller as its slack leaves free on average
//   written down      everything as it is computed, as with token_write_through; the links from the devices are taken to
//                     keep up, and the report says when they could not
//   what is fetched   the split policy of production decides; layer by layer beside the model, behind whatever travels on
//                     the link already
//   the model         takes its time, one batch of a GPU after the other; nothing is gained by batching
//
// With one GPU it is held to the serving_simulator: tests/simulate/fleet_simulator_test.cpp says how near it comes.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/fleet_report.hpp>
#include <kvstrata/simulate/fleet_routes.hpp>
#include <kvstrata/simulate/fleet_work.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/tiers/device_slab.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// For one thread. O(GPUs) a request, but for policies and the route.
template <class Route = hash_route, replacement_policy SlabPolicy = lru, replacement_policy ArenaPolicy = lru>
class fleet_simulator
{
 public:
  /// Throws config_error.
  explicit fleet_simulator(const fleet_config& config, Route route = Route())
      : config_((check(config), config)),
        cost_(cost_of(config.machine)),
        work_({.cost = cost_, .candidates = config.machine.model.candidates}),
        route_(std::move(route)),
        batch_(config.batch_size)
  {
    const std::uint64_t page = page_tokens * config.machine.model.kv.token_bytes();
    const auto size = [page](double bytes) {
      const auto whole = static_cast<std::uint64_t>(bytes);
      return tier_size{.bytes = whole, .objects = whole / page};
    };
    const double used = 1 - default_slack / 2;
    for (std::uint32_t box = 0; box < config.boxes; ++box) {
      if (config.machine.host_bytes >= page) {
        arenas_.push_back(std::make_unique<arena_type>(size(static_cast<double>(config.machine.host_bytes))));
      }
      for (std::uint32_t g = 0; g < config.gpus; ++g) {
        gpus_.emplace_back();
        gpus_.back().slab = std::make_unique<slab_type>(size(static_cast<double>(config.machine.device_bytes) * used));
        gpus_.back().link = (std::size_t{box} * config.gpus + g) / config.gpus_a_link;
      }
    }
    link_free_.resize(gpus_.size() / config.gpus_a_link);
    report_.links = static_cast<std::uint32_t>(link_free_.size());
  }

  /// The user has just been served, in no time: how a fleet starts warm (simulate/warm_start.hpp).
  void take_in(const request& asked) { hold(gpus_[route_(asked, *this)], asked, bytes_for(asked)); }

  /// A request comes; what begins before is served first. Throws usage_error when it comes before the one in front of it, or
  /// has parts: who is where is known of whole users.
  template <class Observe = no_fleet_observer>
  void add(const arrival& one, Observe&& observe = {})
  {
    if (!(one.seconds >= now_)) {
      throw usage_error("the arrivals go back in time, from " + std::to_string(now_) + " s to " +
                        std::to_string(one.seconds) + " s; sort them");
    }
    if (!one.asked.parts.empty()) {
      throw usage_error("the request of user " + std::to_string(to_number(one.asked.user)) +
                        " has parts, but a fleet_simulator knows whole users; a serving_simulator takes parts");
    }
    serve_until(one.seconds, observe);
    now_ = one.seconds;
    if (report_.requests++ == 0) first_ = now_;
    gpu_state& to = gpus_[route_(one.asked, *this)];
    to.queue.push_back(one);
    ++waiting_;
  }

  /// Serves what waits. Nothing may be added afterwards.
  template <class Observe = no_fleet_observer>
  [[nodiscard]] fleet_report finish(Observe&& observe = {})
  {
    serve_until(std::numeric_limits<double>::infinity(), observe);
    report_.arriving_seconds = now_ - first_;
    for (const gpu_state& one : gpus_) report_.drain_seconds = (std::max)(report_.drain_seconds, one.free - now_);
    return std::move(report_);
  }

  /// What has come of it so far.
  [[nodiscard]] const fleet_report& report() const noexcept { return report_; }

  // --- what a route may ask ---------------------------------------------------------------------------------------

  [[nodiscard]] std::size_t gpu_count() const noexcept { return gpus_.size(); }
  [[nodiscard]] std::size_t box_gpus() const noexcept { return config_.gpus; }
  [[nodiscard]] std::size_t box_of(std::size_t gpu) const noexcept { return gpu / config_.gpus; }
  [[nodiscard]] std::size_t load(std::size_t gpu) const noexcept
  {
    return gpus_[gpu].queue.size() + (gpus_[gpu].free > now_ ? gpus_[gpu].under_way : 0);
  }
  [[nodiscard]] bool slab_holds(std::size_t gpu, user_id user) const noexcept
  {
    return gpus_[gpu].slab->held_bytes(user) != 0;
  }
  [[nodiscard]] bool box_holds(std::size_t box, user_id user) const noexcept
  {
    return !arenas_.empty() && arenas_[box]->held_bytes(user) != 0;
  }

 private:
  using slab_type = object_cache<SlabPolicy, always, object_size::growing>;
  using arena_type = object_cache<ArenaPolicy, always, object_size::growing>;
  static constexpr token_count page_tokens = 32;

  struct gpu_state
  {
    std::unique_ptr<slab_type> slab;
    std::size_t link = 0;
    double free = 0;            // when it has done its batch
    std::size_t under_way = 0;  // requests of that batch
    std::deque<arrival> queue;
  };

  /// By token: the rest of a page, 16 tokens of a history of thousands, is left out.
  [[nodiscard]] std::uint64_t bytes_for(const request& asked) const noexcept
  {
    return (std::max)(std::uint64_t{asked.history_tokens}, std::uint64_t{1}) * config_.machine.model.kv.token_bytes();
  }
  /// Tokens of the history that so many bytes hold: a copy of an earlier request may be shorter than now.
  [[nodiscard]] token_count tokens_in(std::uint64_t bytes, const request& asked) const noexcept
  {
    return static_cast<token_count>(
        (std::min)(bytes / config_.machine.model.kv.token_bytes(), std::uint64_t{asked.history_tokens}));
  }

  [[nodiscard]] arena_type* arena_of(const gpu_state& one) noexcept
  {
    const auto index = static_cast<std::size_t>(&one - gpus_.data());
    return arenas_.empty() ? nullptr : arenas_[box_of(index)].get();
  }

  void hold(gpu_state& one, const request& asked, std::uint64_t bytes)
  {
    const object_info info{.user = asked.user,
                           .bytes = bytes,
                           .tokens = asked.history_tokens,
                           .time_ms = asked.time_ms,
                           .hint = asked.hint};
    one.slab->request(info);
    if (arena_type* const arena = arena_of(one)) arena->request(info);
  }

  /// Serves all batches that begin before `end`, the earliest first: they share arenas and links.
  template <class Observe>
  void serve_until(double end, Observe& observe)
  {
    while (waiting_ != 0) {
      gpu_state* first = nullptr;
      double begin = end;
      for (gpu_state& one : gpus_) {
        if (one.queue.empty()) continue;
        const double could = (std::max)(one.free, one.queue.front().seconds);
        if (could < begin) {
          begin = could;
          first = &one;
        }
      }
      if (first == nullptr) return;
      serve(*first, begin, observe);
    }
  }

  template <class Observe>
  void serve(gpu_state& one, double begin, Observe& observe)
  {
    batch_.clear();
    answered_.clear();
    while (!batch_.full() && !one.queue.empty() && one.queue.front().seconds <= begin) {
      batch_.add(one.queue.front().asked);
      answered_.push_back(one.queue.front());
      one.queue.pop_front();
    }
    waiting_ -= answered_.size();
    fleet_stretch& stretch = stretch_at(answered_.front().seconds);
    looks_.clear();
    for (const request& asked : batch_.requests()) looks_.push_back(look_and_hold(one, asked, stretch));
    work_.settle(looks_, page_tokens);
    stretch.arena_tokens += work_.fetched;
    stretch.computed_tokens += work_.computed;
    stretch.recomputed_tokens += work_.recomputed;
    const double ended = begin + took(one, begin);
    report_.written_seconds += written(work_.written);
    one.free = ended;
    one.under_way = answered_.size();
    report_.longest_seconds = (std::max)(report_.longest_seconds, ended - begin);
    stretch.busy_seconds += ended - begin;
    stretch.stalled_seconds += ended - begin - cost_.layers * (work_.front + work_.rest);
    for (const arrival& each : answered_) {
      stretch_at(each.seconds).latency.add(ended - each.seconds);
      observe(fleet_answer{each.asked, static_cast<std::size_t>(&one - gpus_.data()), each.seconds, begin, ended});
    }
  }

  /// Layer by layer: the front, the wait for what travels, the rest.
  double took(const gpu_state& one, double begin)
  {
    if (work_.fetched == 0) return cost_.layers * (work_.front + work_.rest);
    const double sent = (std::max)(begin, link_free_[one.link]);
    const double each = cost_.fetch_seconds(work_.fetched);
    double done = begin;
    for (std::uint32_t layer = 0; layer < cost_.layers; ++layer) {
      done = (std::max)(done + work_.front, sent + (layer + 1.0) * each) + work_.rest;
    }
    link_free_[one.link] = sent + cost_.layers * each;
    return done - begin;
  }

  [[nodiscard]] double written(std::uint64_t tokens) const noexcept
  {
    const double speed = config_.machine.from_device.bytes_per_second;
    return speed > 0 ? static_cast<double>(tokens * config_.machine.model.kv.token_bytes()) / speed : 0;
  }

  /// Who has what of a request, who then has all of it.
  [[nodiscard]] fleet_look look_and_hold(gpu_state& one, const request& asked, fleet_stretch& stretch)
  {
    const std::uint64_t bytes = bytes_for(asked);
    const arena_type* const arena = arena_of(one);
    const bool fits = bytes <= one.slab->size().bytes;
    fleet_look out{.history = asked.history_tokens,
                   .in_slab = tokens_in(one.slab->held_bytes(asked.user), asked),
                   .is_stored = arena != nullptr};
    if (arena != nullptr && fits) out.below = tokens_in(arena->held_bytes(asked.user), asked);
    if (out.in_slab != 0 || out.below != 0) ++stretch.hits;
    stretch.slab_tokens += out.in_slab;
    if (fits) hold(one, asked, bytes);
    else ++report_.unserved;
    return out;
  }

  fleet_stretch& stretch_at(double seconds)
  {
    const auto index = static_cast<std::size_t>(seconds / config_.report_seconds);
    if (index >= report_.stretches.size()) report_.stretches.resize(index + 1);
    return report_.stretches[index];
  }

  fleet_config config_;
  cost_model cost_;
  fleet_work work_;
  std::vector<fleet_look> looks_;  // of the batch at hand
  Route route_;
  std::vector<gpu_state> gpus_;                      // box by box
  std::vector<std::unique_ptr<arena_type>> arenas_;  // [boxes]; none without host memory
  std::vector<double> link_free_;                    // [links] when what travels towards the devices has arrived
  std::size_t waiting_ = 0;
  double now_ = 0;
  double first_ = 0;
  request_batch batch_;
  std::vector<arrival> answered_;
  fleet_report report_;
};

}  // namespace kvstrata
