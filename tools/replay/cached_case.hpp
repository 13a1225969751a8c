// Serves batches from a cache, as a server would: prepare, queue the model layer by layer, commit, release, answer.
#pragma once

#include "replay/kept_answers.hpp"
#include "replay/serving.hpp"
#include "replay/simulate.hpp"
#include "replay/store_below.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>

#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace replay {

/// Place: see cpu_place.hpp.
template <class Cache, class Place>
class cached_case final : public served_case
{
 public:
  using device_type = typename Cache::device_type;

  cached_case(const serving_context& context, const typename Place::machine& machine, const serving_style& style)
      : context_(context),
        style_(style),
        place_(machine, true),
        device_(place_.device()),
        store_(device_, context.sizes),
        cache_(device_, store_.joined(cache_config<Cache>(context.sizes, style))),
        record_(context.load)
  {
    line().use_clock([this] { return device_.now(); });
    line().limit(0);  // but for the pictured batch
  }

  void serve(std::size_t begin, std::size_t end, const std::function<void()>& served) override
  {
    double aside = 0;
    const double from = device_.now();
    for (std::size_t b = begin; b < end; ++b) {
      const bool pictured = b == context_.pictured;
      const double before = device_.now();
      if (pictured) cache_.drain_sync();  // so that the picture begins with nothing under way
      device_.clear_trace();
      const account at_start = so_far();
      if (pictured && context_.traced) start_trace();
      const double start = device_.now();
      const token_split tokens = serve_batch(b);
      const double stop = device_.now();
      record_.batch(b, stop - start, tokens);
      if (pictured) {
        cache_.drain_sync();
        keep_picture(b, tokens, start, at_start);
        aside += (start - before) + (device_.now() - stop);
      }
      if (style_.cleans) {
        controlled([&] { cache_.clean(clean_tokens(context_.sizes)); });
      }
      const double reported = device_.now();
      served();
      aside += device_.now() - reported;
    }
    cache_.drain_sync();
    record_.elapsed(device_.now() - from - aside);
  }

  [[nodiscard]] case_result result() const override
  {
    case_result c = record_.result();
    const account moved = so_far();
    c.onload_bytes = moved.up.bytes;
    c.offload_bytes = moved.down.bytes;
    c.onload_calls = moved.up.calls;
    c.onload_pieces = moved.up.pieces;
    c.offload_calls = moved.down.calls;
    c.offload_pieces = moved.down.pieces;
    c.exposed_transfer_seconds = moved.exposed;
    const kvstrata::cache_stats held = cache_.stats();
    for (kvstrata::level_index i = 0; i < held.depth; ++i) {
      c.levels.push_back({std::string(held.levels[i].name), held.levels[i].dropped_tokens});
    }
    c.device_bytes = held.levels[0].capacity_bytes + held.window.capacity_bytes;
    const kvstrata::counters::snapshot seen = cache_.tracker().template get<kvstrata::counters>().read();
    c.recomputed_tokens = seen.recomputed_tokens;
    c.inexact_tokens = seen.inexact_tokens;
    c.prefetched_tokens = seen.prefetched_tokens;
    c.saved_tokens = seen.saved_tokens;
    c.displaced_tokens = seen.displaced_tokens;
    c.cleaned_tokens = seen.cleaned_tokens;
    for (const kvstrata::store_figures& below : held.stores) c.staged_tokens += below.staged_tokens;
    kept_.count_next(place_, c);
    return c;
  }

  [[nodiscard]] const std::vector<std::vector<float>>& scores() const override { return kept_.scores(); }

  [[nodiscard]] const std::string& trace() const override { return trace_; }

  [[nodiscard]] std::string remark() const override { return store_.remark(); }

 private:
  /// What was moved and waited for since the beginning.
  struct account
  {
    moved up, relocated, down;
    double exposed = 0;
  };

  [[nodiscard]] kvstrata::timeline& line() const { return cache_.tracker().template get<kvstrata::timeline>(); }

  [[nodiscard]] account so_far() const
  {
    const kvstrata::counters::snapshot s = cache_.tracker().template get<kvstrata::counters>().read();
    const auto total = [](const auto& by_level) {
      return std::accumulate(by_level.begin(), by_level.end(), std::uint64_t{0});
    };
    return {{total(s.onload_bytes), s.onload_copies, s.onload_pieces},
            {s.relocated_bytes, s.relocated_copies, s.relocated_pieces},
            {total(s.offload_bytes), s.offload_copies, s.offload_pieces},
            blocked_seconds_ + place_.stalled_seconds()};
  }

  void start_trace()
  {
    line().clear();
    line().limit(kvstrata::timeline::default_most_events);
  }

  void keep_trace(const std::vector<kvstrata::op_span>& spans)
  {
    line().add_spans(spans);
    std::ostringstream text;
    line().write(text);
    trace_ = text.str();
    line().clear();
    line().limit(0);
  }

  void keep_picture(std::size_t number, const token_split& tokens, double start, const account& before)
  {
    const std::vector<kvstrata::op_span> spans = device_.trace();
    if (context_.traced) keep_trace(spans);
    timeline picture =
        make_timeline(context_.load, number, tokens, spans, start, context_.sizes.shape.layers, !style_.prefetches);
    const auto since = [](const moved& now, const moved& then) {
      return moved{now.bytes - then.bytes, now.calls - then.calls, now.pieces - then.pieces};
    };
    const account now = so_far();
    picture.up = since(now.up, before.up);
    picture.relocated = since(now.relocated, before.relocated);
    picture.down = since(now.down, before.down);
    picture.exposed_seconds = now.exposed - before.exposed;
    record_.picture(std::move(picture));
  }

  token_split serve_batch(std::size_t number)
  {
    const served_batch& batch = context_.load.batches[number];
    const std::vector<kvstrata::request> asked = cache_requests(batch);
    const double began = device_.now();

    const auto lend = [&] {
      auto lent = cache_.prepare(asked, place_.compute());
      while (!lent && lent.why().why == kvstrata::pressure::reason::arriving) {
        device_.wait_sync(arrival_of(lent.why()));
        lent = cache_.prepare(asked, place_.compute());
      }
      return std::move(lent).value();
    };
    typename Cache::lease lease = controlled(lend);
    const token_split tokens = split_of(lease);

    std::vector<hstu::request> wanted;
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      wanted.push_back(model_request(context_.load, batch.requests[r]));
      wanted.back().compute = lease.compute(r);
    }
    place_.begin(wanted, lease.view(), style_.splits ? hstu::fronts::apart : hstu::fronts::together);
    place_.embed();
    for (std::uint32_t l = 0; l < context_.sizes.shape.layers; ++l) {
      if (place_.has_front()) place_.front(l);
      lease.wait(l);
      place_.layer(l);
      lease.layer_done(l);
    }
    place_.head();
    if (style_.prefetches) {
      controlled([&] { prefetch_batch(cache_, context_.load, number + 1); });
    }
    if (style_.synchronous) place_.finish_sync();
    controlled([&] { lease.commit(); });
    controlled([&] { lease.release(); });
    record_.queued(device_.now() - began);
    place_.finish_sync();
    kept_.keep(place_, number);
    return tokens;
  }

  /// Runs a call into the cache and keeps account: what the host worked, and what it was blocked for copies.
  template <class Call>
  auto controlled(Call&& call)
  {
    struct watch
    {
      explicit watch(cached_case& c) : owner(c), waited(c.place_.blocked_seconds()), began(thread_seconds()) {}
      ~watch()
      {
        owner.record_.control(thread_seconds() - began);
        owner.blocked_seconds_ += owner.place_.blocked_seconds() - waited;
      }
      cached_case& owner;
      double waited;
      double began;
    };
    const watch open(*this);
    return call();
  }

  const serving_context& context_;
  serving_style style_;
  Place place_;
  device_type& device_;
  store_below<Cache> store_;
  mutable Cache cache_;
  recorder record_;
  double blocked_seconds_ = 0;
  kept_answers kept_{context_};
  std::string trace_;
};

}  // namespace replay
