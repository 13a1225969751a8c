// One lease over a batch whose users live in several shards.
#pragma once

#include <kvstrata/cache/lease.hpp>
#include <kvstrata/cache/lease_words.hpp>
#include <kvstrata/core/attempts.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request_checks.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata {

template <class Cache>
class sharded;

/// What a lease over shards knows. The sharded cache owns it and reuses it, so that a batch does not allocate in steady
/// state. Not synchronised.
template <class Cache>
struct sharded_state
{
  /// Where a request of the batch is asked.
  struct place
  {
    std::uint32_t shard = 0;
    std::uint32_t turn = 0;  ///< its index among that shard's requests
  };

  std::vector<std::vector<request>> asked;   ///< by shard
  std::vector<place> places;                 ///< by request
  std::vector<std::uint32_t> shards;         ///< that the batch spans, ascending
  std::vector<typename Cache::lease> parts;  ///< of these, in the same order
  std::vector<const batch_plan*> plans;      ///< by shard; only those of `shards` are set
  distinct_users users;
  batch_plan plan;   ///< of the whole batch, in the order of its requests
  page_table table;  ///< in pages of the whole reservation
  page_table_view view;
  std::vector<bool> done;  ///< by layer
  bool committed = false;

  /// Makes the plans of the shards one.
  void merge_plans()
  {
    plan.clear();
    plan.pages_free = 0;
    for (const place& at : places) {
      const batch_plan& from = *plans[at.shard];
      request_plan r = from.requests[at.turn];
      const auto append = [](auto& all, const auto& mine, std::uint32_t& begin, std::uint32_t& end) {
        begin = static_cast<std::uint32_t>(all.size());
        all.insert(all.end(), mine.begin(), mine.end());
        end = static_cast<std::uint32_t>(all.size());
      };
      append(plan.pieces, from.pieces_of(at.turn), r.piece_begin, r.piece_end);
      append(plan.compute, from.compute_of(at.turn), r.compute_begin, r.compute_end);
      plan.requests.push_back(r);
    }
    for (const std::uint32_t shard : shards) {
      const batch_plan& from = *plans[shard];
      plan.victims.insert(plan.victims.end(), from.victims.begin(), from.victims.end());
      plan.pages_needed += from.pages_needed;
      plan.pages_free += from.pages_free;
      plan.pages_forgotten += from.pages_forgotten;
    }
  }

  /// Makes the page tables of the shards one. `first_page(shard)`: where its pages begin in the reservation at `base`.
  template <class FirstPage>
  void merge_tables(std::byte* base, FirstPage&& first_page)
  {
    table.start(places.size());
    for (const place& at : places) {
      const auto part = std::lower_bound(shards.begin(), shards.end(), at.shard) - shards.begin();
      const page_table_view from = parts[static_cast<std::size_t>(part)].view();
      table.append(from.pages(at.turn), first_page(at.shard));
      table.finish_request(from.first_token(at.turn), from.tokens(at.turn), from.page_tokens);
    }
    const page_table_view one = parts.front().view();
    view = table.view(base, one.where, one.shape, one.page_tokens);
  }
};

/// A basic_lease of several shards, in the same words: what computes on one computes on the other. Move-only. While it
/// lives, none of its users' tokens is evicted, moved or reused. Destroying it releases it; without commit() the new
/// tokens are discarded, and nothing else. It must die before its cache. Not synchronised: one thread at a time uses a
/// lease, different threads may use different leases. Every call costs O(shards that the batch spans).
template <class Cache>
class sharded_lease
{
 public:
  sharded_lease(const sharded_lease&) = delete;
  sharded_lease& operator=(const sharded_lease&) = delete;
  sharded_lease(sharded_lease&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), state_(std::exchange(other.state_, nullptr))
  {
  }
  sharded_lease& operator=(sharded_lease&& other) noexcept
  {
    if (this != &other) {
      give_up();
      owner_ = std::exchange(other.owner_, nullptr);
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~sharded_lease() { give_up(); }

  /// Requests in the batch.
  [[nodiscard]] std::size_t size() const { return state("size").places.size(); }

  /// The batch's page table, in the order of the requests and in pages of the whole reservation. Its arrays live as
  /// long as the lease.
  [[nodiscard]] page_table_view view() const { return state("view").view; }

  /// As basic_lease's.
  [[nodiscard]] std::span<const token_interval> compute(std::size_t request) const
  {
    return planned(request, "compute").compute_of(request);
  }
  /// As basic_lease's: what of these a model may queue before wait.
  [[nodiscard]] token_interval front(std::size_t request) const { return planned(request, "front").front_of(request); }
  /// As basic_lease's.
  [[nodiscard]] token_sources sources(std::size_t request) const
  {
    return sources_of(planned(request, "sources").pieces_of(request));
  }

  /// As basic_lease's, for sharded::outcome.
  [[nodiscard]] lease_ticket ticket(std::size_t request) const
  {
    static_cast<void>(planned(request, "ticket"));
    const auto& s = *state_;
    const auto& at = s.places[request];
    const auto part = std::lower_bound(s.shards.begin(), s.shards.end(), at.shard) - s.shards.begin();
    lease_ticket out = s.parts[static_cast<std::size_t>(part)].ticket(at.turn);
    out.shard = at.shard;
    return out;
  }

  /// The shards' plans as one: requests in the order of the batch, victims shard by shard, sums of pages.
  [[nodiscard]] const batch_plan& plan() const { return state("plan").plan; }

  /// The compute stream's further work starts after layer `layer` has arrived, from every shard. Stream-ordered; does
  /// not block.
  void wait(layer_index layer)
  {
    for (auto& part : state("wait").parts) part.wait(layer);
  }

  /// As wait, and blocks the host until the layer has arrived.
  void wait_sync(layer_index layer)
  {
    wait(layer);
    state("wait_sync").parts.front().wait_sync(layer);  // all parts have one compute stream
  }

  /// As basic_lease's: the layer's new K and V may be read from the compute stream's present point on.
  void layer_done(layer_index layer)
  {
    auto& s = state("layer_done");
    for (auto& part : s.parts) part.layer_done(layer);
    s.done[layer] = true;
  }

  /// Makes the new tokens valid, shard by shard, and queues what the write policies want in the levels below.
  /// Throws
  /// usage_error as basic_lease does, before any shard commits. When the device fails or memory runs out in the midst,
  /// the tokens of some shards' users are valid and those of others are not.
  void commit()
  {
    auto& s = state("commit");
    if (s.committed) lease_words::refuse_second_commit();
    const auto missing = std::find(s.done.begin(), s.done.end(), false);
    if (!s.plan.compute.empty() && missing != s.done.end()) {
      lease_words::refuse_undone_layer(static_cast<std::size_t>(missing - s.done.begin()), s.done.size());
    }
    s.committed = true;
    for (auto& part : s.parts) part.commit();
  }

  /// commit, then release. As basic_lease's.
  void finish()
  {
    commit();
    release();
  }

  /// Gives the pages back to their shards. As basic_lease's; when the device has failed, all shards have their pages
  /// back before the first error is thrown.
  void release()
  {
    auto& s = state("release");
    sharded<Cache>* const owner = std::exchange(owner_, nullptr);
    state_ = nullptr;
    attempts all;
    for (auto& part : s.parts) all.make([&part] { part.release(); });
    s.parts.clear();
    owner->take_back(s);
    all.finish();
  }

 private:
  friend sharded<Cache>;
  using state_type = sharded_state<Cache>;

  sharded_lease(sharded<Cache>& owner, state_type& s) : owner_(&owner), state_(&s) {}

  [[nodiscard]] state_type& state(const char* call) const
  {
    if (state_ == nullptr) lease_words::refuse_released(call);
    return *state_;
  }

  [[nodiscard]] const batch_plan& planned(std::size_t request, const char* call) const
  {
    const batch_plan& all = state(call).plan;
    if (request >= all.requests.size()) lease_words::refuse_request(call, request, all.requests.size());
    return all;
  }

  void give_up() noexcept
  {
    if (state_ == nullptr) return;
    try {
      release();
    } catch (...) {  // the device has failed: its error shows at the next call that reports
    }
  }

  sharded<Cache>* owner_;
  state_type* state_;
};

}  // namespace kvstrata
