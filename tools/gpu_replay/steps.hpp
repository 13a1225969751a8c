// Single steps: the same batch served where its histories are in device memory, in host memory, nowhere; and without a
// cache. The cache is default_cache, and its slab holds one batch: so the histories of one batch push those of another down,
// and every step begins where its name says. What a step has computed is forgotten where that would change the next one.
#pragma once

#include "gpu_replay/needs.hpp"
#include "gpu_replay/results.hpp"
#include "replay/simulate.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpu_replay {

struct step_plan
{
  std::uint32_t requests = 1;
  std::uint32_t tokens = 0;      ///< of each history, before the new ones
  std::uint32_t new_tokens = 1;  ///< of each
  std::uint32_t candidates = 0;
  std::uint32_t page_tokens = 32;
  unsigned rounds = 5;
};

/// Histories and candidates of one batch, drawn by its seed.
class step_batch
{
 public:
  step_batch(const step_plan& plan, std::uint64_t seed) : plan_(plan)
  {
    kvstrata::random_source random(seed);
    const std::size_t events = (std::size_t{plan.tokens} + plan.new_tokens + 1) / 2;
    for (std::uint32_t r = 0; r < plan.requests; ++r) {
      users_.push_back(kvstrata::user_id{seed * 4096 + r});
      for (std::size_t e = 0; e < events; ++e) {
        items_.push_back(random.below(1u << 20));
        actions_.push_back(random.below(16));
        times_.push_back(static_cast<std::int64_t>(15 * e));
      }
      for (std::uint32_t c = 0; c < plan.candidates; ++c) candidates_.push_back(random.below(1u << 20));
    }
    events_ = events;
  }

  [[nodiscard]] const std::vector<kvstrata::user_id>& users() const noexcept { return users_; }

  [[nodiscard]] std::vector<kvstrata::request> asked(std::uint32_t tokens) const
  {
    std::vector<kvstrata::request> out;
    for (const kvstrata::user_id user : users_) out.push_back({.user = user, .history_tokens = tokens});
    return out;
  }

  /// What the model is asked, but for what it has to compute.
  [[nodiscard]] std::vector<hstu::request> wanted(std::uint32_t tokens) const
  {
    std::vector<hstu::request> out(users_.size());
    for (std::size_t r = 0; r < out.size(); ++r) {
      out[r].items = std::span(items_).subspan(r * events_, events_);
      out[r].actions = std::span(actions_).subspan(r * events_, events_);
      out[r].times = std::span(times_).subspan(r * events_, events_);
      out[r].history = tokens;
      out[r].candidates = std::span(candidates_).subspan(r * plan_.candidates, plan_.candidates);
      out[r].time = static_cast<std::int64_t>(15 * events_);
    }
    return out;
  }

 private:
  step_plan plan_;
  std::vector<kvstrata::user_id> users_;
  std::vector<std::uint64_t> items_;
  std::vector<std::uint32_t> actions_;
  std::vector<std::int64_t> times_;
  std::vector<std::uint64_t> candidates_;
  std::size_t events_ = 0;
};

/// Takes the steps of one shape of batch. Place: see replay/cpu_place.hpp.
template <class Place>
class stepper
{
 public:
  using device_type = typename Place::device_type;
  using cache_type = kvstrata::default_cache<device_type, kvstrata::lru, replay::case_tracker>;

  stepper(const typename Place::machine& m, const hstu::config& model, const kvstrata::geometry& shape,
          const step_plan& plan, const ceilings& best)
      : plan_(plan),
        model_(model),
        best_(best),
        place_(m, true),
        cache_(place_.device(), cache_config(shape, plan)),
        batches_{{plan, 1}, {plan, 2}}
  {
    cache_.tracker().template get<kvstrata::timeline>().limit(0);
    for (const step_batch& b : batches_) static_cast<void>(serve(b, plan_.tokens, keep::yes));
  }

  /// Every kind of step. Throws kvstrata::usage_error when a step did not begin where its name says.
  [[nodiscard]] std::vector<step_result> run()
  {
    std::vector<std::vector<sample>> taken(4);
    const std::uint32_t whole = plan_.tokens + plan_.new_tokens;
    for (unsigned round = 0; round <= plan_.rounds; ++round) {  // the first warms up
      const step_batch& b = batches_[round % 2];
      const sample arena = serve(b, whole, keep::no);
      const sample slab = serve(b, whole, keep::no);
      if (round == 0) continue;
      taken[0].push_back(expect(step_kind::slab_hit, slab));
      taken[1].push_back(expect(step_kind::arena_hit, arena));
    }
    const step_batch& again = batches_[0];
    for (unsigned round = 0; round <= plan_.rounds; ++round) {
      for (const kvstrata::user_id user : again.users()) cache_.erase(user);
      const sample miss = serve(again, whole, keep::yes);
      cache_.drain_sync();
      const sample alone = serve_alone(again, whole);
      if (round == 0) continue;
      taken[2].push_back(expect(step_kind::miss, miss));
      taken[3].push_back(alone);
    }
    std::vector<step_result> out;
    constexpr step_kind kinds[] = {step_kind::slab_hit, step_kind::arena_hit, step_kind::miss, step_kind::no_cache};
    for (std::size_t k = 0; k < 4; ++k) out.push_back(summary(kinds[k], whole, std::move(taken[k])));
    return out;
  }

 private:
  enum class keep : bool { no, yes };

  struct sample
  {
    double seconds = 0;
    double queue_seconds = 0;
    double link_bytes = 0;
    needs least;
    replay::token_split tokens;
  };

  static typename cache_type::config cache_config(const kvstrata::geometry& shape, const step_plan& plan)
  {
    const auto rounded = [](std::size_t value, std::size_t to) { return (value + to - 1) / to * to; };
    const std::size_t whole = std::size_t{plan.tokens} + plan.new_tokens;
    replay::cache_sizes s;
    s.shape = shape;
    s.page_tokens = plan.page_tokens;
    s.chunk_tokens = (std::max)(plan.page_tokens, 1024 / plan.page_tokens * plan.page_tokens);
    s.device_bytes = plan.requests * rounded(whole, plan.page_tokens) * shape.token_bytes();
    s.host_bytes = 2 * plan.requests * (rounded(whole, s.chunk_tokens) + s.chunk_tokens) * shape.token_bytes();
    s.batch = plan.requests;
    return replay::cache_config<cache_type>(s, {});
  }

  sample serve(const step_batch& b, std::uint32_t tokens, keep how)
  {
    sample out;
    const double begin = place_.device().now();
    const std::vector<kvstrata::request> asked = b.asked(tokens);
    auto lease = cache_.prepare(asked, place_.compute()).value();
    std::vector<hstu::request> wanted = b.wanted(tokens);
    for (std::size_t r = 0; r < wanted.size(); ++r) wanted[r].compute = lease.compute(r);
    place_.begin(wanted, lease.view(), hstu::fronts::together);
    place_.embed();
    for (std::uint32_t l = 0; l < model_.layers; ++l) {
      lease.wait(l);
      place_.layer(l);
      lease.layer_done(l);
    }
    place_.head();
    out.tokens = replay::split_of(lease);
    out.least = needs_of(model_, wanted);
    out.link_bytes = static_cast<double>(out.tokens.fetched()) * static_cast<double>(lease.view().shape.token_bytes());
    if (how == keep::yes) {
      lease.commit();
      lease.release();
    }
    out.queue_seconds = place_.device().now() - begin;
    place_.finish_sync();
    out.seconds = place_.device().now() - begin;
    return out;  // what is not committed is forgotten here
  }

  sample serve_alone(const step_batch& b, std::uint32_t tokens)
  {
    sample out;
    const double begin = place_.device().now();
    std::vector<hstu::request> wanted = b.wanted(tokens);
    place_.begin_alone(wanted);
    place_.embed();
    for (std::uint32_t l = 0; l < model_.layers; ++l) place_.layer(l);
    place_.head();
    out.queue_seconds = place_.device().now() - begin;
    place_.finish_sync();
    out.seconds = place_.device().now() - begin;
    const kvstrata::token_interval whole{0, tokens};
    for (hstu::request& r : wanted) r.compute = std::span(&whole, 1);
    out.least = needs_of(model_, wanted);
    out.tokens.computed = std::uint64_t{tokens} * plan_.requests;
    return out;
  }

  /// The step, if its tokens came from where they should.
  [[nodiscard]] sample expect(step_kind kind, const sample& s) const
  {
    const std::uint64_t old = std::uint64_t{plan_.tokens} * plan_.requests;
    const std::uint64_t got = kind == step_kind::slab_hit    ? s.tokens.served[0]
                              : kind == step_kind::arena_hit ? s.tokens.fetched()
                                                             : s.tokens.computed;
    if (got >= old) return s;
    throw kvstrata::usage_error(std::string("a step that should be a ") + name_of(kind) + " of " + std::to_string(old) +
                                " tokens found " + std::to_string(s.tokens.served[0]) + " in the slab and " +
                                std::to_string(s.tokens.fetched()) + " in the arena");
  }

  [[nodiscard]] step_result summary(step_kind kind, std::uint32_t tokens, std::vector<sample> taken) const
  {
    const auto middle = [&](auto member) {
      std::sort(taken.begin(), taken.end(), [&](const sample& a, const sample& b) { return a.*member < b.*member; });
      return taken[taken.size() / 2].*member;
    };
    step_result out;
    out.kind = kind;
    out.requests = plan_.requests;
    out.tokens = tokens;
    out.new_tokens = plan_.new_tokens;
    out.queue_seconds = middle(&sample::queue_seconds);
    out.seconds = middle(&sample::seconds);
    out.least = taken.front().seconds;
    out.most = taken.back().seconds;
    out.bytes = taken.front().least.bytes;
    out.flops = taken.front().least.flops;
    out.link_bytes = taken.front().link_bytes;
    out.needed = seconds_at(taken.front().least, out.link_bytes, best_);
    out.roofline = roofline_at(taken.front().least, out.link_bytes, best_);
    return out;
  }

  step_plan plan_;
  hstu::config model_;
  ceilings best_;
  Place place_;
  cache_type cache_;
  step_batch batches_[2];
};

}  // namespace gpu_replay
