// The way up: what the lower tier has of a batch, straight to its pages or by way of the onload window.
#pragma once

#include <kvstrata/cache/copy_job.hpp>
#include <kvstrata/cache/window_stay.hpp>
#include <kvstrata/layout/promotion_list.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata {

/// Not synchronised. Nothing here blocks, unless the transfer policy does.
template <class Books, class Transfer>
class onloader
{
 public:
  using entry_type = typename Books::entry_type;
  using channel = typename Transfer::template on<typename Books::device_type>;

  /// Lower-tier tokens of one user that the device shall get; either interval may be empty.
  struct request
  {
    entry_type* who = nullptr;
    token_interval hits[2] = {};
  };

  onloader(Books& books, channel& road) : books_(&books), road_(&road) {}

  /// Queues the copies that bring the hits up, and adds to arrives[l] when layer l has arrived. `after`: the earlier
  /// uses of the pages. With a stay, whole pages land in the window as long as it has room, and the promotion to their
  /// own pages is queued behind them; pages that a hit fills only in part never do, because others are written there.
  void onload(std::span<const request> wanted, const fence& after, std::span<fence> arrives,
              [[maybe_unused]] window_stay* stay)
  {
    direct_.start(*books_);
    fence direct_after = after;
    if constexpr (Transfer::lands_in_window) {
      if (stay != nullptr && books_->top().slab().window().capacity() != 0) {
        by_window(wanted, after, arrives, *stay, direct_after);
        return;
      }
    }
    for (const request& r : wanted) {
      direct_.concern_with(*r.who);
      for (const token_interval hit : r.hits) {
        direct_.append(*r.who, hit, r.who->device.pages, r.who->device.first_page);
      }
      if (direct_.keep_if_any()) add_last_uses(direct_after, *r.who);
    }
    static_cast<void>(queue(direct_, direct_after, arrives));
  }

 private:
  /// `uses`: what else learns when the copies are over.
  ticket queue(copy_job<Books>& job, const fence& after, std::span<fence> arrives, fence* uses = nullptr)
  {
    if (job.empty()) return {};
    ticket moved = road_->onload(job.list(), after);
    job.mark_used(moved.last());
    if (uses != nullptr) remember(books_->device(), *uses, moved.last());
    for (std::size_t l = 0; l < arrives.size(); ++l) arrives[l].add(moved.layer(static_cast<layer_index>(l)));
    tell(books_->watcher(), bytes_onloaded{moved.bytes, moved.copies, moved.pieces});
    return moved;
  }

  void by_window(std::span<const request> wanted, const fence& after, std::span<fence> arrives, window_stay& stay,
                 fence& direct_after)
  {
    landing_.start(*books_);
    promotion_.device_base = books_->top().slab().base();
    promotion_.piece_bytes = page_layer_bytes(books_->shape(), books_->layout().page_tokens);
    promotion_.layers = books_->shape().layers;
    promotion_.place = books_->top().slab().place();
    promotion_.runs.clear();
    fence landing_after;
    fence promotion_after = after;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      entry_type& e = *wanted[i].who;
      direct_.concern_with(e);
      landing_.concern_with(e);
      pages_.assign(e.device.pages.begin(), e.device.pages.end());
      for (const token_interval hit : wanted[i].hits) {
        const token_interval landed = land(i, e, hit, stay, landing_after);
        landing_.append(e, landed, pages_, e.device.first_page);
        rest_.clear();
        append_uncovered(rest_, hit, landed, {});
        for (const token_interval piece : rest_) {
          direct_.append(e, piece, e.device.pages, e.device.first_page);
        }
      }
      if (direct_.keep_if_any()) add_last_uses(direct_after, e);
      if (landing_.keep_if_any()) {
        landing_after.add(e.lower.last_use);
        promotion_after.add(e.device.last_use);
      }
    }
    // The few pages that do not land come first: a layer has arrived when both have, and the road is one stream.
    static_cast<void>(queue(direct_, direct_after, arrives));
    auto& device = books_->device();
    const ticket landed = queue(landing_, landing_after, arrives, &stay.uses);
    if (landed.empty()) return;
    const ticket promoted = road_->promote(promotion_, landed, promotion_after);
    remember(device, stay.uses, promoted.last());
    landing_.each_entry([&](entry_type& e) { remember(device, e.device.last_use, promoted.last()); });
    tell(books_->watcher(), bytes_promoted{promoted.bytes, promoted.copies, promoted.pieces});
  }

  /// Gives whole pages of a hit a place in the window, from the first on, until it is full: writes their window ids to
  /// pages_, and where they go later to the promotion. Returns their tokens.
  [[nodiscard]] token_interval land(std::size_t number, const entry_type& e, token_interval hit, window_stay& stay,
                                    fence& after)
  {
    const token_count page_tokens = books_->layout().page_tokens;
    const page_count first = (hit.begin + page_tokens - 1) / page_tokens;
    const page_count last = hit.empty() ? first : hit.end / page_tokens;
    page_count next = first;
    while (next < last) {
      stay.runs.reserve(stay.runs.size() + 1);  // so that what is taken is on record
      const auto taken = books_->top().slab().window().try_take(last - next);
      if (!taken) break;
      stay.runs.push_back({.request = number, .page = next, .where = taken->run});
      remember(books_->device(), stay.uses, taken->last_use);  // should nothing be queued, the next user waits for it
      after.add(taken->last_use);
      for (page_count i = 0; i < taken->run.count; ++i, ++next) {
        page_id& here = pages_[next - e.device.first_page];
        promote_later(taken->run.first + i, to_number(here));
        here = to_page(taken->run.first + i);
      }
    }
    return {first * page_tokens, next * page_tokens};
  }

  void promote_later(page_count from, page_count to)
  {
    auto& runs = promotion_.runs;
    if (!runs.empty() && runs.back().from + runs.back().pages == from && runs.back().to + runs.back().pages == to) {
      ++runs.back().pages;
    } else {
      runs.push_back({from, to, 1});
    }
  }

  Books* books_;
  channel* road_;
  copy_job<Books> direct_, landing_;
  promotion_list promotion_;
  std::vector<page_id> pages_;  // of the entry at hand, window ids in place of those that land there
  interval_list rest_;
};

}  // namespace kvstrata
