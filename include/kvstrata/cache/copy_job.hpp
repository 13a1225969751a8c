// The copies of one operation, and whose bytes they read and write.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/copy_run.hpp>

#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Reused from operation to operation, so that it does not allocate in steady state. Not synchronised.
template <class Books>
class copy_job
{
 public:
  using entry_type = typename Books::entry_type;

  void start(Books& books)
  {
    books_ = &books;
    list_.runs.clear();
    concerned_.clear();
    list_.piece_bytes = page_layer_bytes(books.shape(), books.layout().page_tokens);
    list_.layers = books.shape().layers;
    list_.device_base = books.top().slab().base();
    list_.lower_base = books.below().tier().base();
  }

  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] const copy_list& list() const noexcept { return list_; }

  /// The entry's copies follow; until kept, they may turn out to be none.
  void concern_with(entry_type& e)
  {
    runs_before_ = list_.runs.size();
    concerned_.push_back({&e, e.lower.tokens});
  }
  /// Keeps the last entry if it got copies; true if so.
  bool keep_if_any()
  {
    if (list_.runs.size() != runs_before_) return true;
    concerned_.pop_back();
    return false;
  }

  /// Copies of `tokens` between the entry's extents and `pages`, of which the first is history page `first_page`.
  void append(const entry_type& e, token_interval tokens, std::span<const page_id> pages, page_count first_page)
  {
    append_copy_runs(list_.runs, books_->layout(), books_->shape(), books_->top().slab().place(), pages, first_page,
                     std::span<const placed_extent>(e.lower.extents), books_->below().tier().capacity(),
                     books_->pages(tokens));
  }

  /// Who reads or writes the bytes of the entries next waits for `point`, too.
  void mark_used(event point) noexcept
  {
    for (const concern& c : concerned_) {
      remember(books_->device(), c.who->device.last_use, point);
      remember(books_->device(), c.who->lower.last_use, point);
    }
  }

  /// The copies could not all be queued: the lower tier has only what it had before. `after`: what they waited for.
  void retract(const fence& after) noexcept
  {
    for (const concern& c : concerned_) {
      remember(books_->device(), c.who->lower.last_use, after);
      books_->set_lower_tokens(*c.who, c.had_below);
      books_->below().settle(*c.who);
    }
  }

  template <class Visit>
  void each_entry(Visit&& visit)
  {
    for (const concern& c : concerned_) visit(*c.who);
  }

 private:
  struct concern
  {
    entry_type* who = nullptr;
    token_interval had_below;  ///< what the lower tier had of them before
  };

  Books* books_ = nullptr;
  copy_list list_;
  std::vector<concern> concerned_;
  std::size_t runs_before_ = 0;
};

/// All that still uses an entry's bytes, in both tiers.
template <class Entry>
void add_last_uses(fence& after, const Entry& e)
{
  after.add(e.device.last_use);
  after.add(e.lower.last_use);
}

}  // namespace kvstrata
