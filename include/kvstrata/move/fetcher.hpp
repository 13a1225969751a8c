// The way up: what levels below the slab have of a batch, straight to its pages or by way of the onload window.
#pragma once

#include <kvstrata/move/copy_job.hpp>
#include <kvstrata/move/copy_lanes.hpp>
#include <kvstrata/move/copy_points.hpp>
#include <kvstrata/move/lease_pages.hpp>
#include <kvstrata/plan/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. Nothing here blocks, unless the transfer policy does.
template <class Residency, class Transfer>
class fetcher
{
 public:
  using entry_type = typename Residency::entry_type;
  static constexpr level_index memories = Residency::memories;
  using lanes_type = copy_lanes<Transfer, typename Residency::device_type, (memories > 2 || Residency::stores != 0)>;

  fetcher(Residency& r, lanes_type& lanes) : residency_(&r), lanes_(&lanes) {}

  /// Queues the copies that bring the plan's fetched pieces up, and adds to arrives[l] when layer l has arrived. `after`:
  /// the earlier uses of the pages. With `pages`, whole pages land in the window as long as it has room, and the
  /// relocation to their own pages is queued behind them; pages that a piece fills only in part never do, because others
  /// are written there. All of it in that lane; nothing lands where another lane's leases still read.
  void fetch(const batch_plan& plan, std::span<entry_type* const> users, const fence& after, std::span<fence> arrives,
             [[maybe_unused]] lease_pages* pages, lane_number lane)
  {
    lane_ = lane;
    direct_.start(*residency_);
    fence direct_after = after;
    if constexpr (Transfer::lands_in_window) {
      if (pages != nullptr && residency_->slab().tier().window().capacity() != 0) {
        by_window(plan, users, after, arrives, *pages, direct_after);
        return;
      }
    }
    for (std::size_t i = 0; i < users.size(); ++i) {
      if (plan.requests[i].fetched == 0) continue;
      each_level<1, memories>([&](auto from) {
        entry_type& e = *users[i];
        direct_.template concern_with<from(), 0>(e);
        page_count next = 0;
        each_piece_of<from()>(plan, i, [&](token_interval tokens) { next = append<from()>(e, tokens, next); });
        if (direct_.keep_if_any()) add_last_uses<0, from()>(direct_after, e);
      });
    }
    static_cast<void>(queue(direct_, direct_after, arrives));
  }

 private:
  template <level_index From, class Visit>
  static void each_piece_of(const batch_plan& plan, std::size_t request, Visit&& visit)
  {
    for (const piece& p : plan.pieces_of(request)) {
      if (p.source == From) visit(p.tokens);
    }
  }

  /// Copies the pages of `tokens` from `next` on: the slab may have the midst of a page whose ends come from one level, and
  /// no page is written twice. Returns the page behind the last.
  template <level_index From>
  [[nodiscard]] page_count append(const entry_type& e, token_interval tokens, page_count next)
  {
    page_interval pages = residency_->pages(tokens);
    if (pages.begin < next) pages.begin = next;
    direct_.template append_to<From, 0>(e, pages, e.template at<0>().extents);
    return pages.end;
  }

  /// `uses`: what else learns when the copies are over.
  ticket queue(copy_job<Residency>& job, const fence& after, std::span<fence> arrives, fence* uses = nullptr)
  {
    if (job.empty()) return {};
    const copy_points<Residency> points(*residency_, lanes_->streams(lane_));
    ticket moved = lanes_->copies(lane_).onload(job.list(), after);
    job.mark_used(moved.last());
    job.template tell_codes<0>(moved.last());
    lanes_->queued(lane_, moved);
    if (uses != nullptr) remember(residency_->device(), *uses, moved.last());
    for (std::size_t l = 0; l < arrives.size(); ++l) arrives[l].add(moved.layer(static_cast<layer_index>(l)));
    points.told(*residency_, moved, bytes_onloaded{moved.bytes, moved.copies, moved.pieces, job.bytes_from()});
    return moved;
  }

  void by_window(const batch_plan& plan, std::span<entry_type* const> users, const fence& after,
                 std::span<fence> arrives, lease_pages& pages, fence& direct_after)
  {
    landing_.start(*residency_);
    relocation_.piece_bytes = landing_.list().piece_bytes;
    relocation_.layers = landing_.list().layers;
    relocation_.runs.clear();
    fence landing_after;
    fence relocation_after = after;
    for (std::size_t i = 0; i < users.size(); ++i) {
      if (plan.requests[i].fetched == 0) continue;
      each_level<1, memories>([&](auto from) {
        entry_type& e = *users[i];
        direct_.template concern_with<from(), 0>(e);
        landing_.template concern_with<from(), 0>(e);
        page_count next = 0;
        each_piece_of<from()>(plan, i, [&](token_interval tokens) {
          const token_interval landed = land(i, e, tokens, pages, landing_after);
          landing_.template append_to<from(), 0>(e, residency_->pages(landed), landed_);
          rest_.clear();
          append_uncovered(rest_, tokens, landed, {});
          for (const token_interval part : rest_) next = append<from()>(e, part, next);
        });
        if (direct_.keep_if_any()) add_last_uses<0, from()>(direct_after, e);
        if (landing_.keep_if_any()) {
          add_last_uses<from()>(landing_after, e);
          add_last_uses<0>(relocation_after, e);
        }
      });
    }
    // The few pages that do not land come first: a layer has arrived when both have, and the channel is one stream.
    static_cast<void>(queue(direct_, direct_after, arrives));
    auto& device = residency_->device();
    const ticket landed = queue(landing_, landing_after, arrives, &pages.uses);
    if (landed.empty()) return;
    const copy_points<Residency> points(*residency_, lanes_->streams(lane_));
    const ticket moved = lanes_->copies(lane_).relocate(relocation_, landed, relocation_after);
    remember(device, pages.uses, moved.last());
    lanes_->queued(lane_, moved);
    landing_.each_entry([&](entry_type& e) { remember(device, e.hot().last_use[0], moved.last()); });
    points.told(*residency_, moved, bytes_relocated{moved.bytes, moved.copies, moved.pieces});
  }

  /// Gives whole pages of a piece a place in the window, from the first on, until it is full: puts that into landed_, and
  /// where they go later into the relocation. Returns their tokens.
  [[nodiscard]] token_interval land(std::size_t number, const entry_type& e, token_interval tokens, lease_pages& pages,
                                    fence& after)
  {
    const token_count page_tokens = residency_->layout().page_tokens;
    const page_count first = (tokens.begin + page_tokens - 1) / page_tokens;
    const page_count last = tokens.empty() ? first : tokens.end / page_tokens;
    page_count next = first;
    landed_.clear();
    while (next < last) {
      pages.runs.reserve(pages.runs.size() + 1);  // so that what is taken is on record
      landed_.reserve(landed_.size() + 1);
      auto& window = residency_->slab().tier().window();
      const auto taken =
          lanes_->apart() ? window.try_take_now(last - next, lanes_->others_than(lane_)) : window.try_take(last - next);
      if (!taken) break;
      pages.runs.push_back({.request = number, .page = next, .where = taken->run});
      landed_.push_back({next, taken->run.count, taken->run.first});
      remember(residency_->device(), pages.uses, taken->last_use);  // should nothing be queued, the next user waits
      after.add(taken->last_use);
      next += taken->run.count;
    }
    const auto at = [this](const placed_extent& x) { return residency_->slab().memory().end_of(x); };
    append_copy_runs(relocation_.runs, landed_, at, e.template at<0>().extents, at, {first, next});
    return {first * page_tokens, next * page_tokens};
  }

  Residency* residency_;
  lanes_type* lanes_;
  lane_number lane_ = 0;  // of the fetch at hand
  copy_job<Residency> direct_, landing_;
  copy_list relocation_;
  std::vector<placed_extent> landed_;  // of the piece at hand
  interval_list rest_;
};

}  // namespace kvstrata
