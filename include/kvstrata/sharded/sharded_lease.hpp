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

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
  batch_plan plan;                 ///< of the whole batch, in the order of its requests
  std::vector<page_table> tables;  ///< [part] in pages of the whole reservation; at least as many as there are views
  std::vector<page_table_view> views;  ///< [part] one at least
  std::vector<bool> done;              ///< by layer
  bool committed = false;

  /// Makes the plans of the shards one.
  void merge_plans()
  {
    plan.clear();
    plan.pages_free = 0;
    bool any_parts = false;
    for (const std::uint32_t shard : shards) any_parts |= !plans[shard]->first_rows.empty();
    const auto append_row = [this](const batch_plan& from, std::size_t row) {
      request_plan r = from.requests[row];
      const auto append = [](auto& all, const auto& mine, std::uint32_t& begin, std::uint32_t& end) {
        begin = static_cast<std::uint32_t>(all.size());
        all.insert(all.end(), mine.begin(), mine.end());
        end = static_cast<std::uint32_t>(all.size());
      };
      append(plan.pieces, from.pieces_of(row), r.piece_begin, r.piece_end);
      append(plan.compute, from.compute_of(row), r.compute_begin, r.compute_end);
      plan.requests.push_back(r);
    };
    const auto rows = [this] { return static_cast<std::uint32_t>(plan.requests.size()); };
    for (const place& at : places) {
      const batch_plan& from = *plans[at.shard];
      if (any_parts) plan.first_rows.push_back(rows());
      for (std::size_t part = 0; part < from.parts(at.turn); ++part) append_row(from, from.row(at.turn, part));
    }
    if (any_parts) plan.first_rows.push_back(rows());
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
    std::size_t most = 1;
    for (std::size_t i = 0; i < plan.size(); ++i) most = (std::max)(most, plan.parts(i));
    if (tables.size() < most) tables.resize(most);
    views.clear();
    const page_table_view one = parts.front().view();
    for (std::size_t part = 0; part < most; ++part) {
      page_table& table = tables[part];
      table.start(places.size());
      for (std::size_t i = 0; i < places.size(); ++i) {
        if (part >= plan.parts(i)) {
          table.finish_request(0, 0, one.page_tokens);
          continue;
        }
        const place& at = places[i];
        const page_table_view from = lease_of(at.shard).view(part);
        table.append(from.pages(at.turn), first_page(at.shard));
        table.finish_request(from.first_token(at.turn), from.tokens(at.turn), from.page_tokens);
      }
      views.push_back(table.view(base, one.where, one.shape, one.page_tokens));
    }
  }

  /// Its part of the lease.
  [[nodiscard]] typename Cache::lease& lease_of(std::uint32_t shard)
  {
    const auto at = std::lower_bound(shards.begin(), shards.end(), shard) - shards.begin();
    return parts[static_cast<std::size_t>(at)];
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
  [[nodiscard]] page_table_view view() const { return view(0); }
  /// As basic_lease's: of the parts with that number.
  [[nodiscard]] page_table_view view(std::size_t part) const
  {
    const auto& s = state("view");
    if (part >= s.views.size()) lease_words::refuse_part("view", part, s.views.size());
    return s.views[part];
  }

  /// As basic_lease's.
  [[nodiscard]] std::span<const token_interval> compute(std::size_t request, std::size_t part = 0) const
  {
    return planned(request, "compute").compute_of(row_of(request, part, "compute"));
  }
  /// As basic_lease's: what of these a model may queue before wait.
  [[nodiscard]] token_interval front(std::size_t request, std::size_t part = 0) const
  {
    return planned(request, "front").front_of(row_of(request, part, "front"));
  }
  /// As basic_lease's.
  [[nodiscard]] token_sources sources(std::size_t request, std::size_t part = 0) const
  {
    return sources_of(planned(request, "sources").pieces_of(row_of(request, part, "sources")));
  }

  /// As basic_lease's, for sharded::outcome.
  [[nodiscard]] lease_ticket ticket(std::size_t request) const
  {
    static_cast<void>(planned(request, "ticket"));
    const auto& at = state_->places[request];
    lease_ticket out = state_->lease_of(at.shard).ticket(at.turn);
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
    if (request >= all.size()) lease_words::refuse_request(call, request, all.size());
    return all;
  }
  [[nodiscard]] std::size_t row_of(std::size_t request, std::size_t part, const char* call) const
  {
    const batch_plan& all = planned(request, call);
    if (part >= all.parts(request)) lease_words::refuse_part(call, part, all.parts(request));
    return all.row(request, part);
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
