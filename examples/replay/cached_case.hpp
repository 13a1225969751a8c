// Serves batches from a cache, as a server would: prepare, queue the model layer by layer, commit, release, answer.
#pragma once

#include "replay/serving.hpp"

#include <kvstrata/cache.hpp>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace replay {

/// A cache's layout with this run's sizes.
template <class Layout>
[[nodiscard]] Layout make_layout(const cache_sizes& s)
{
  Layout layout;
  layout.page_tokens = s.page_tokens;
  if constexpr (requires { layout.chunk; }) layout.chunk = s.chunk_tokens;
  return layout;
}

template <class Cache>
[[nodiscard]] typename Cache::config cache_config(const cache_sizes& s)
{
  typename Cache::config c;
  c.shape = s.shape;
  c.device = {.bytes = s.device_bytes};
  if constexpr (requires { c.host.bytes; }) c.host = {.bytes = s.host_bytes};
  c.layout = make_layout<decltype(c.layout)>(s);
  return c;
}

[[nodiscard]] inline std::vector<kvstrata::request> cache_requests(const served_batch& b)
{
  std::vector<kvstrata::request> out;
  for (const served_request& r : b.requests) out.push_back({.user = r.user, .history_tokens = r.tokens});
  return out;
}

/// Where the tokens of a batch under a lease come from.
template <class Lease>
[[nodiscard]] token_split split_of(const Lease& lease)
{
  token_split sum;
  for (std::size_t r = 0; r < lease.size(); ++r) {
    const auto one = lease.split(r);
    sum += token_split{one.device, one.lower, one.computed};
  }
  return sum;
}

template <class Cache>
class cached_case final : public served_case
{
 public:
  using device_type = typename Cache::device_type;

  /// `synchronous`: the model is waited for before anything is written down, as a tier without streams would do it.
  cached_case(const serving_context& context, bool synchronous)
      : context_(context),
        synchronous_(synchronous),
        device_({.to_device = context.link, .from_device = context.link, .trace = true}),
        cache_(device_, cache_config<Cache>(context.sizes)),
        compute_(device_.create_stream("compute")),
        record_(context.load)
  {
    for (std::uint32_t l = 0; l < context.sizes.shape.layers; ++l) labels_.push_back("layer " + std::to_string(l));
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
      const double start = device_.now();
      const token_split tokens = serve_batch(b);
      const double stop = device_.now();
      record_.batch(b, stop - start, tokens);
      if (pictured) {
        cache_.drain_sync();
        record_.picture(make_timeline(context_.load, b, tokens, device_.trace(), start, context_.sizes.shape.layers));
        aside += (start - before) + (device_.now() - stop);
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
    const auto done = device_.stats();
    c.onload_bytes = done.to_device.bytes;
    c.offload_bytes = done.from_device.bytes;
    c.exposed_transfer_seconds = blocked_seconds_ + done.streams[static_cast<std::size_t>(compute_)].stall_seconds;
    const kvstrata::cache_stats held = cache_.stats();
    c.dropped_tokens = held.device.dropped_tokens;
    c.host_lost_tokens = held.lower.dropped_tokens;
    return c;
  }

  [[nodiscard]] const std::vector<std::vector<float>>& scores() const override { return scores_; }

 private:
  token_split serve_batch(std::size_t number)
  {
    const served_batch& batch = context_.load.batches[number];
    const std::vector<kvstrata::request> asked = cache_requests(batch);

    const auto lend = [&] { return cache_.prepare(asked, compute_).value(); };
    typename Cache::lease lease = controlled(lend);
    const token_split tokens = split_of(lease);

    std::vector<hstu::request> wanted;
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      wanted.push_back(model_request(context_.load, batch.requests[r]));
      wanted.back().compute = lease.compute(r);
    }
    hstu::batch_forward pass(context_.model, wanted, lease.view());
    device_.launch(compute_, {.label = "embed"}, [&pass] { pass.embed(); });
    for (std::uint32_t l = 0; l < labels_.size(); ++l) {
      lease.wait(l);
      device_.launch(compute_, {.label = labels_[l]}, [&pass, l] { pass.layer(l); });
      lease.layer_done(l);
    }
    device_.launch(compute_, {.label = "head"}, [&pass] { pass.head(); });
    if (synchronous_) device_.wait_sync(device_.record(compute_));
    controlled([&] { lease.commit(); });
    controlled([&] { lease.release(); });
    device_.wait_sync(device_.record(compute_));
    keep_scores(number, pass);
    return tokens;
  }

  /// Runs a call into the cache and keeps account: what the host worked, and what it was blocked for copies.
  template <class Call>
  auto controlled(Call&& call)
  {
    struct account
    {
      explicit account(cached_case& c) : owner(c), waited(c.device_.stats().host_wait_seconds), began(thread_seconds())
      {
      }
      ~account()
      {
        owner.record_.control(thread_seconds() - began);
        owner.blocked_seconds_ += owner.device_.stats().host_wait_seconds - waited;
      }
      cached_case& owner;
      double waited;
      double began;
    };
    const account open(*this);
    return call();
  }

  void keep_scores(std::size_t number, const hstu::batch_forward& pass)
  {
    for (; scores_.size() < context_.sample.size() && context_.sample[scores_.size()].batch == number;) {
      const std::span<const float> all = pass.scores(context_.sample[scores_.size()].request);
      scores_.emplace_back(all.begin(), all.end());
    }
  }

  const serving_context& context_;
  bool synchronous_;
  mutable device_type device_;
  mutable Cache cache_;
  kvstrata::stream_id compute_;
  recorder record_;
  double blocked_seconds_ = 0;
  std::vector<std::string> labels_;
  std::vector<std::vector<float>> scores_;
};

}  // namespace replay
