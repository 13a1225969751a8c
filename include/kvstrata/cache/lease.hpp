// The right to read and extend the pages of a batch.
#pragma once

#include <kvstrata/cache/late_requests.hpp>
#include <kvstrata/cache/lease_words.hpp>
#include <kvstrata/cache/part_tables.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/move/copy_lanes.hpp>
#include <kvstrata/move/lease_pages.hpp>
#include <kvstrata/observe/events.hpp>
#include <kvstrata/plan/lease_tag.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/vouchers.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a lease knows, over a stack with so many stores. The lease_pool owns it.
template <class Entry, level_index Stores>
struct lease_state
{
  batch_plan plan;
  std::vector<Entry*> entries;  ///< the first `held` of them are held
  std::size_t held = 0;
  vouchers<Entry> vouched;       ///< takes effect at commit
  page_table table;              ///< of the first parts, or the histories
  part_tables parts;             ///< of the others
  std::vector<fence> arrives;    ///< by layer: when all that comes up for the lease has arrived
  lease_pages pages;             ///< where it was put meanwhile
  std::uint64_t prefetched = 0;  ///< tokens that a prefetch brought, read first by this lease
  enum class progress : std::uint8_t { untouched, waited, done };
  std::vector<progress> layers;  ///< how far the model is in each layer
  std::vector<event> done;       ///< by layer: the point from which its new KV may be read
  [[no_unique_address]] late_requests<Entry, Stores> late;
  stream_id compute{};
  lease_tag tag;
  lane_number lane = no_lane;  ///< of its copies
  bool committed = false;
  bool whole = false;  ///< all of it lay in the slab, and nothing that the cache knows of the tokens changes

  /// Forgets the lease that it was of.
  void begin(std::size_t layer_count)
  {
    held = 0;
    lane = no_lane;
    prefetched = 0;
    committed = false;
    late.clear();
    parts.clear();
    arrives.resize(layer_count);
    for (fence& layer : arrives) layer.clear();
    done.assign(layer_count, event{});
    layers.assign(layer_count, progress::untouched);
  }
};

/// Move-only. While it lives, none of its users' tokens is evicted, moved or reused. Destroying it releases it;
/// without commit() the new tokens are discarded, and nothing else. It must die before its cache. Not synchronised:
/// one thread at a time uses a lease, different threads may use different leases.
template <class Cache>
class basic_lease
{
 public:
  basic_lease(const basic_lease&) = delete;
  basic_lease& operator=(const basic_lease&) = delete;
  basic_lease(basic_lease&& other) noexcept
      : cache_(std::exchange(other.cache_, nullptr)), state_(std::exchange(other.state_, nullptr))
  {
  }
  basic_lease& operator=(basic_lease&& other) noexcept
  {
    if (this != &other) {
      give_up();
      cache_ = std::exchange(other.cache_, nullptr);
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~basic_lease() { give_up(); }

  /// Requests in the batch.
  [[nodiscard]] std::size_t size() const { return state("size").plan.size(); }

  /// The batch's page table, in the order of the requests. Its arrays live as long as the lease. Where requests have parts,
  /// it is view(0).
  [[nodiscard]] page_table_view view() const { return view(0); }

  /// The page table of the parts with that number, in the order of the requests: a table for each level of a cascade. A
  /// request with fewer parts has no pages in it. What was written of a part by another request of the batch (a read part that
  /// both have) is there from where the model writes it in each layer: it writes all K and V of a layer before it reads any.
  [[nodiscard]] page_table_view view(std::size_t part) const
  {
    auto& s = state("view");
    if (part >= s.parts.size()) lease_words::refuse_part("view", part, s.parts.size());
    return cache_->view_of(s, part);
  }

  /// The tokens of a request, of one of its parts where it has any, that the model must compute: ascending, disjoint; together with what is served they are
  /// [first_token, history). Those of a volatile tail, or of a scratch part, are among them at every request.
  [[nodiscard]] std::span<const token_interval> compute(std::size_t request, std::size_t part = 0) const
  {
    const batch_plan& all = state("compute").plan;
    return all.compute_of(row_of(all, request, part, "compute"));
  }

  /// Of these the tokens from the beginning of the window on, empty when it begins with what is served. They attend to
  /// nothing that is on its way, so a model may queue their part of a layer before wait(layer): so the front is computed
  /// while the rear travels.
  [[nodiscard]] token_interval front(std::size_t request, std::size_t part = 0) const
  {
    const batch_plan& all = state("front").plan;
    return all.front_of(row_of(all, request, part, "front"));
  }

  /// Where a request's tokens came from.
  [[nodiscard]] token_sources sources(std::size_t request, std::size_t part = 0) const
  {
    const batch_plan& all = state("sources").plan;
    return sources_of(all.pieces_of(row_of(all, request, part, "sources")));
  }

  /// To ask the cache later what became of a request (cache.outcome). Nothing was on its way for most: they are kept.
  [[nodiscard]] lease_ticket ticket(std::size_t request) const
  {
    auto& s = state("ticket");
    require_request(s.plan, request, "ticket");
    return s.late.ticket(request);
  }

  /// As cache.leases() and events name it; and what the caller called the batch.
  [[nodiscard]] std::uint64_t number() const { return state("number").tag.number; }
  [[nodiscard]] std::uint64_t label() const { return state("label").tag.label; }

  /// The whole plan, for those who want to see it.
  [[nodiscard]] const batch_plan& plan() const { return state("plan").plan; }

  /// The compute stream's further work starts after layer `layer` has arrived: to be called before anything that is
  /// served of the layer is read, or written beside in a page. Stream-ordered; does not block.
  void wait(layer_index layer)
  {
    auto& s = state("wait");
    require_layer(s, layer, "wait");
    if (s.layers[layer] != state_type::progress::untouched) return;
    wait_for(cache_->device(), s.compute, s.arrives[layer]);
    s.layers[layer] = state_type::progress::waited;
  }

  /// As wait, and blocks the host until the layer has arrived: for a model that computes on the calling thread.
  void wait_sync(layer_index layer)
  {
    wait(layer);
    cache_->device().wait_sync(cache_->device().record(state("wait_sync").compute));
  }

  /// The model has queued all its work on layer `layer` on the compute stream: the layer's new K and V may be read
  /// from there on. Stream-ordered; does not block.
  void layer_done(layer_index layer)
  {
    wait(layer);
    auto& s = state("layer_done");
    s.done[layer] = cache_->device().record(s.compute);
    s.layers[layer] = state_type::progress::done;
  }

  /// Makes the new tokens valid, but for volatile tails, and queues what the write policies want in the levels below,
  /// each layer after its layer_done. Does not block, unless the transfer policy does. Throws usage_error when the lease is committed
  /// already, when there are new tokens and a layer is not done, or after release. An erased user's tokens, and those
  /// of an epoch that is over, are not kept. Those of a request that waits for a store are kept once what it waits for has
  /// come, and are not where that is lost.
  void commit()
  {
    auto& s = to_commit("commit");
    const auto lock = cache_->locked(call_name::commit);
    cache_->commit(s);
  }

  /// commit, then release, in one go: the cache is locked once. Throws as they do; what commit throws leaves the lease as
  /// commit does.
  void finish()
  {
    auto& s = to_commit("finish");
    const auto lock = cache_->locked(call_name::commit);
    cache_->commit(s);
    leave()->release(s);
  }

  /// Gives the pages back to the cache: they may be evicted again, and be written again after the work that is queued
  /// on the compute stream by now. Does not block. Throws usage_error when there is nothing to release.
  void release()
  {
    auto& s = state("release");
    const auto lock = cache_->locked(call_name::release);
    leave()->release(s);
  }

 private:
  friend Cache;
  using state_type = typename Cache::lease_state_type;

  basic_lease(Cache& cache, state_type& s) : cache_(&cache), state_(&s) {}

  [[nodiscard]] state_type& state(const char* call) const
  {
    if (state_ == nullptr) lease_words::refuse_released(call);
    return *state_;
  }

  /// The lease is nobody's any more, whatever comes.
  Cache* leave() noexcept
  {
    state_ = nullptr;
    return std::exchange(cache_, nullptr);
  }

  [[nodiscard]] state_type& to_commit(const char* call) const
  {
    auto& s = state(call);
    if (s.committed) lease_words::refuse_second_commit();
    for (std::size_t layer = 0; !s.plan.compute.empty() && layer < s.done.size(); ++layer) {
      if (s.layers[layer] != state_type::progress::done) lease_words::refuse_undone_layer(layer, s.done.size());
    }
    return s;
  }

  static void require_request(const batch_plan& all, std::size_t request, const char* call)
  {
    if (request >= all.size()) lease_words::refuse_request(call, request, all.size());
  }

  [[nodiscard]] static std::size_t row_of(const batch_plan& all, std::size_t request, std::size_t part,
                                          const char* call)
  {
    require_request(all, request, call);
    if (part >= all.parts(request)) lease_words::refuse_part(call, part, all.parts(request));
    return all.row(request, part);
  }

  static void require_layer(const state_type& s, layer_index layer, const char* call)
  {
    if (layer < s.done.size()) return;
    throw usage_error(std::string(call) + ": layer " + std::to_string(layer) + " is past the last of " +
                      std::to_string(s.done.size()) + " layers");
  }

  void give_up() noexcept
  {
    if (state_ == nullptr) return;
    try {
      release();
    } catch (...) {  // the device has failed: its error shows at the next call that reports
    }
  }

  Cache* cache_;
  state_type* state_;
};

}  // namespace kvstrata
