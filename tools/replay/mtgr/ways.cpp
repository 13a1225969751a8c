#include "replay/mtgr/ways.hpp"

#include "mtgr/recompute.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/part.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace replay {
namespace {

using kvstrata::emulated_device;
using kvstrata::token_count;

// Spaces of the parts' keys.
constexpr std::uint32_t statics_space = 1, recents_space = 2;

class uncached final : public mtgr_way
{
 public:
  explicit uncached(const mtgr_context& c) : context_(c), memory_(c.sizes.page_tokens) {}

  void serve(std::span<const mtgr_turn> batch, std::vector<mtgr_answer>& out) override
  {
    questions_.resize((std::max)(questions_.size(), batch.size()));
    whole_.resize(2 * batch.size());
    asked_.clear();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      whole_[2 * i] = {0, context_.load.static_tokens()};
      whole_[2 * i + 1] = {0, batch[i].recents};
      asked_.push_back(questions_[i].fill(context_.load, context_.features, batch[i], context_.candidates,
                                          std::span(whole_).subspan(2 * i, 1),
                                          std::span(whole_).subspan(2 * i + 1, 1)));
    }
    const std::vector<float> logits = mtgr::recompute(context_.model, asked_, memory_);
    out.resize(batch.size());
    auto at = logits.begin();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto count = static_cast<std::ptrdiff_t>(asked_[i].candidate_times.size() * mtgr::tasks);
      out[i] = {.statics = {.computed = context_.load.static_tokens()},
                .recents = {.computed = batch[i].recents},
                .candidates = {.computed = candidates_of(batch[i], context_.candidates)},
                .logits = {at, at + count}};
      at += count;
    }
  }

 private:
  const mtgr_context& context_;
  mtgr::scratch_parts memory_;
  std::vector<mtgr_question> questions_;
  std::vector<kvstrata::token_interval> whole_;
  std::vector<mtgr::request> asked_;
};

/// `Append`: U and S as something that only grows.
template <class Cache, bool Append>
class cached final : public mtgr_way
{
 public:
  cached(const mtgr_context& c, std::uint64_t device_pages, std::uint64_t host_pages)
      : context_(c),
        device_({.to_device = c.link, .from_device = c.link}),
        compute_(device_.create_stream("compute")),
        cache_(device_, config_of(c, device_pages, host_pages))
  {
  }

  void serve(std::span<const mtgr_turn> batch, std::vector<mtgr_answer>& out) override
  {
    parts_.clear();
    requests_.clear();
    for (const mtgr_turn& t : batch) parts_.push_back(parts_of(t));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      requests_.push_back({.user = batch[i].of->user, .time_ms = batch[i].of->time * 1000, .parts = parts_[i]});
    }
    auto lease = cache_.prepare(requests_, compute_).value();
    questions_.resize((std::max)(questions_.size(), batch.size()));
    asked_.clear();
    out.resize(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      asked_.push_back(questions_[i].fill(context_.load, context_.features, batch[i], context_.candidates,
                                          lease.compute(i, 0), lease.compute(i, 1)));
      out[i].statics = lease.sources(i, 0);
      out[i].recents = lease.sources(i, 1);
      out[i].candidates = lease.sources(i, 2);
    }
    mtgr::batch_forward pass(context_.model, asked_, {lease.view(0), lease.view(1), lease.view(2)});
    device_.launch(compute_, {.label = "embed"}, [&pass] { pass.embed(); });
    for (kvstrata::layer_index l = 0; l < context_.load.model.layers; ++l) {
      lease.wait(l);
      device_.launch(compute_, {.label = "layer"}, [&pass, l] { pass.layer(l); });
      lease.layer_done(l);
    }
    device_.launch(compute_, {.label = "head"}, [&pass] { pass.head(); });
    lease.commit();
    lease.release();
    device_.wait_sync(device_.record(compute_));
    for (std::size_t i = 0; i < batch.size(); ++i) out[i].logits.assign(pass.logits(i).begin(), pass.logits(i).end());
  }
  void settle() override { cache_.drain_sync(); }
  [[nodiscard]] mtgr_superseded superseded() const override
  {
    const kvstrata::cache_stats s = cache_.stats();
    return {s.superseded_versions, s.forgotten.superseded - s.superseded_versions};
  }

 private:
  static typename Cache::config config_of(const mtgr_context& c, std::uint64_t device_pages, std::uint64_t host_pages)
  {
    const std::size_t page = kvstrata::page_bytes(c.model.shape(), c.sizes.page_tokens);
    typename Cache::config out{.shape = c.model.shape()};
    std::get<0>(out.tiers).bytes = device_pages * page;
    if constexpr (std::tuple_size_v<decltype(out.tiers)> > 1) std::get<1>(out.tiers).bytes = host_pages * page;
    out.layout.page_tokens = c.sizes.page_tokens;
    return out;
  }

  using parts_of_turn = std::array<kvstrata::part, mtgr::parts + 1>;

  [[nodiscard]] parts_of_turn parts_of(const mtgr_turn& t) const
  {
    const kvstrata::part candidates{.tokens = candidates_of(t, context_.candidates),
                                    .mode = kvstrata::part_mode::scratch};
    const std::uint64_t id = to_number(t.of->user);
    const token_count tokens = context_.load.static_tokens();
    if constexpr (Append) {
      // R begins anew at each cut, as it does for the others; only nobody asks which S it stands on.
      return {kvstrata::part{.key = {statics_space, id}, .tokens = tokens},
              kvstrata::part{.key = {recents_space, id}, .version = t.version, .tokens = t.recents}, candidates};
    }
    return {
        kvstrata::part{
            .key = {statics_space, id}, .version = t.version, .tokens = tokens, .mode = kvstrata::part_mode::replace},
        kvstrata::part{.key = {recents_space, id}, .tokens = t.recents}, candidates};
  }

  const mtgr_context& context_;
  emulated_device device_;
  kvstrata::stream_id compute_;
  mutable Cache cache_;
  std::vector<parts_of_turn> parts_;
  std::vector<kvstrata::request> requests_;
  std::vector<mtgr_question> questions_;
  std::vector<mtgr::request> asked_;
};

std::uint64_t pages_of_turn(const mtgr_load& load, const mtgr_turn& t, token_count page_tokens)
{
  return kvstrata::pages_of({0, load.static_tokens()}, page_tokens).size() +
         kvstrata::pages_of({0, t.recents}, page_tokens).size();
}

std::uint64_t share_of(double share, std::uint64_t pages)
{
  return static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(pages)));
}

}  // namespace

mtgr_sizes choose_mtgr_sizes(const mtgr_options& o, const mtgr_load& load, std::uint32_t candidates)
{
  mtgr_sizes s;
  s.page_tokens = o.common.page_tokens;
  std::vector<std::uint64_t> of_user(load.load.histories.size());
  for (const std::vector<mtgr_turn>& batch : load.batches) {
    std::uint64_t pages = 0, scratch = 0;
    for (const mtgr_turn& t : batch) {
      scratch += kvstrata::pages_of({0, candidates_of(t, candidates)}, s.page_tokens).size();
      const std::uint64_t mine = pages_of_turn(load, t, s.page_tokens);
      of_user[t.of->history_of] = (std::max)(of_user[t.of->history_of], mine);
      pages += mine;
    }
    s.batch_pages = (std::max)(s.batch_pages, pages + scratch);
    s.scratch_pages = (std::max)(s.scratch_pages, scratch);
  }
  for (const std::uint64_t pages : of_user) s.all_pages += pages;
  const std::size_t page = kvstrata::page_bytes(mtgr::geometry_of(load.model), s.page_tokens);
  const auto in_mib = [page](std::uint64_t mib) { return (mib << 20U) / page; };
  s.device_pages = o.common.device_mib
                       ? in_mib(*o.common.device_mib)
                       : (std::max)(share_of(o.common.device_share, s.all_pages) + s.scratch_pages, s.batch_pages);
  s.host_pages = (std::max)(o.common.host_mib ? in_mib(*o.common.host_mib) : share_of(o.common.host_share, s.all_pages),
                            std::uint64_t{1});
  if (s.device_pages < s.batch_pages) {
    throw kvstrata::config_error("--device-mib", *o.common.device_mib,
                                 "the largest batch needs " + std::to_string((s.batch_pages * page >> 20U) + 1) +
                                     "; send smaller batches (--batch) or give it more");
  }
  return s;
}

std::unique_ptr<mtgr_way> make_way(const mtgr_context& c, mtgr_keeping keeping)
{
  using on_device = kvstrata::device_only_cache<emulated_device>;
  using on_both = kvstrata::default_cache<emulated_device>;
  const mtgr_sizes& s = c.sizes;
  switch (keeping) {
    case mtgr_keeping::nowhere: break;
    case mtgr_keeping::device: return std::make_unique<cached<on_device, false>>(c, s.device_pages, 0);
    case mtgr_keeping::host: return std::make_unique<cached<on_both, false>>(c, s.batch_pages, s.host_pages);
    case mtgr_keeping::both: return std::make_unique<cached<on_both, false>>(c, s.device_pages, s.host_pages);
    // Eviction takes a prefix page by page, and what is left of U and S the model refuses.
    case mtgr_keeping::append_only:
      return std::make_unique<cached<on_device, true>>(c, s.all_pages + s.scratch_pages, 0);
  }
  return std::make_unique<uncached>(c);
}

}  // namespace replay
