// Takes a batch's pages in the slab, and sorts what still uses them by who must wait for it.
#pragma once

#include <kvstrata/books/hot_record.hpp>
#include <kvstrata/books/taken_pages.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/move/waits_counted.hpp>
#include <kvstrata/plan/plan.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Queues nothing. Not synchronised.
template <class Residency>
class page_taker
{
 public:
  using entry_type = typename Residency::entry_type;

  explicit page_taker(Residency& r) : residency_(&r) {}

  /// What the model has to wait for before it writes to any page of the batch.
  [[nodiscard]] const fence& earlier() const noexcept { return earlier_; }
  /// What a fetch has to wait for: the uses of other pages.
  [[nodiscard]] const fence& landing() const noexcept { return landing_; }

  /// Forgets the batch before.
  void start() noexcept
  {
    taken_.clear();
    earlier_.clear();
    landing_.clear();
  }

  /// Takes what each request wants beyond what its user has; there is room for it. Adds to `arrives` when the layers of
  /// prefetches that are under way have arrived. The model works on `compute`, beside `others` (tiers/run_pool.hpp). When it
  /// throws, what was taken stays with its users.
  template <class Others>
  void take(const batch_plan& plan, std::span<entry_type* const> users, stream_id compute, const Others& others,
            std::span<fence> arrives)
  {
    const waits_counted<0, Residency> counted(*residency_);
    for (std::size_t i = 0; i < users.size(); ++i) {
      entry_type& e = *users[i];
      const request_plan& r = plan.requests[i];
      if (r.whole) {
        note_uses(e, compute);
        continue;
      }
      note_earlier_uses(e, compute, arrives);
      const page_interval wanted = residency_->pages_to_take({r.first_token, r.history});
      if (wanted.empty()) continue;
      auto& mine = e.template at<0>();
      auto& slab = residency_->slab().memory();
      const std::size_t before = taken_.size();
      if (!mine.extents.empty() && wanted.begin < mine.covered().begin) {
        slab.take_front(mine.extents, wanted.begin, taken_, others);
      }
      if (slab.take_rear(mine.extents, wanted, taken_, others) < wanted.end) {
        throw error("the slab ran out of pages that the plan had counted on");
      }
      for (std::size_t t = before; t < taken_.size(); ++t) sort(taken_[t], e, plan.pieces_of(r));
    }
  }

  /// The same of a user who has all that is wanted, and for whom nothing is under way ahead of a request.
  void note_uses(entry_type& e, stream_id compute)
  {
    each_level<0, Residency::memories>([&](auto i) {
      const fence& uses = e.hot().last_use[i()];
      if (!uses.only_on(compute)) earlier_.add(uses);
    });
  }

  /// The batch came to nothing: whoever has the user's pages next waits for the earlier uses of all that were taken.
  void leave_to(entry_type& e) noexcept
  {
    for (const taken_pages& t : taken_) remember(residency_->device(), e.hot().last_use[0], t.last_use);
  }

 private:
  /// What still uses an entry's bytes. A prefetch that is under way is waited for layer by layer instead.
  void note_earlier_uses(entry_type& e, stream_id compute, std::span<fence> arrives)
  {
    prefetch_state* const ahead = e.hot().if_prefetched();
    if (ahead == nullptr || ahead->arriving.empty()) return note_uses(e, compute);
    std::vector<event>& arriving = ahead->arriving;
    // In a range the prefetch also stands for who had the pages that the model will write to.
    const bool by_layer = residency_->layout().granule_pages() == 1;
    each_level<0, Residency::memories>([&](auto i) {
      for (const event point : e.hot().last_use[i()]) {
        if (!by_layer || point != arriving.back()) earlier_.add(point);
      }
    });
    for (std::size_t l = 0; l < arriving.size(); ++l) arrives[l].add(arriving[l]);
    arriving.clear();
  }

  void sort(const taken_pages& t, entry_type& e, std::span<const piece> pieces)
  {
    if (t.last_use.empty()) return;
    const token_interval tokens = residency_->tokens_in(t.pages);
    bool lands = false;
    bool computed = false;
    for (const piece& p : pieces) {
      const bool here = !intersect(tokens, p.tokens).empty();
      lands |= here && p.is_fetched();
      computed |= here && p.is_computed();
    }
    if (lands) landing_.add(t.last_use);
    if (computed || !lands) earlier_.add(t.last_use);
    if (!computed && !lands) e.hot().last_use[0].add(t.last_use);  // room to grow: whoever writes there must know
  }

  Residency* residency_;
  std::vector<taken_pages> taken_;
  fence earlier_;
  fence landing_;
};

}  // namespace kvstrata
