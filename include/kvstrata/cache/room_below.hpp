// Room in the lower tier for what is to be written: who may come in, and who goes.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/event.hpp>

namespace kvstrata {

/// Not synchronised.
template <class Books>
class room_below
{
 public:
  using entry_type = typename Books::entry_type;

  explicit room_below(Books& books) : books_(&books) {}

  /// May the user come in? The tier is asked once a request.
  [[nodiscard]] bool admits(entry_type& e, token_interval piece)
  {
    if (!e.refused_below) e.refused_below = !books_->below().admits(e, books_->room(piece).size());
    return !e.refused_below;
  }

  /// What of `piece` the tier takes; it has extents for that then. Adds to `after` what must come to pass before they are
  /// written.
  [[nodiscard]] token_interval reserve(entry_type& e, token_interval piece, fence& after)
  {
    const token_count page_tokens = books_->layout().page_tokens;
    const page_interval wanted = books_->room(piece);
    if (books_->below().tier().free() < wanted.size()) reclaim_stale(wanted.size());
    const page_interval room = books_->below().reserve(
        e, wanted, after, [this](entry_type& other, token_interval lost) { books_->left_lower(other, lost); });
    return intersect(piece, {room.begin * page_tokens, room.end * page_tokens});
  }

 private:
  /// Erases entries of old epochs until the lower tier has so many free frames, or none is left that nobody holds.
  void reclaim_stale(page_count frames)
  {
    while (books_->below().tier().free() < frames) {
      entry_type* gone = nullptr;
      books_->users().stale([&gone](entry_type& e) {
        if (e.holds == 0) gone = &e;
        return gone == nullptr;
      });
      if (gone == nullptr) return;
      books_->erase(*gone);
    }
  }

  Books* books_;
};

}  // namespace kvstrata
