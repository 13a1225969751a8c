// Takes out of all tiers what requests have made useless (cache/kept_tokens.hpp says what that is), and counts it.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/vouchers.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <cstddef>
#include <span>

namespace kvstrata {

/// Moves no bytes. Not synchronised: the cache holds a lock.
template <class Books>
class forgetter
{
 public:
  using entry_type = typename Books::entry_type;

  explicit forgetter(Books& books) : books_(&books) {}

  /// All of it so far.
  [[nodiscard]] const tokens_forgotten& forgotten() const noexcept { return forgotten_; }

  /// Of the plan's users, all of whom are held, nothing stays that the plan does not keep. O(users), but for their pages.
  void carry_out(const batch_plan& plan, std::span<entry_type* const> users) noexcept
  {
    tokens_forgotten all;
    bool any = false;
    for (std::size_t i = 0; i < users.size(); ++i) {
      const request_plan& r = plan.requests[i];
      users[i]->first_token = r.first_token;
      users[i]->earlier_until = r.kept.earlier_until;
      vouchers<entry_type>::withdraw(*users[i], r.kept.tokens.end);
      if (!r.kept.forgets) continue;
      all += r.kept.forgotten;
      any = true;
      keep(*users[i], r.kept.tokens);
    }
    if (!any) return;
    forgotten_ += all;
    tell(books_->watcher(), all);
  }

 private:
  /// First the rest is not there any more, then its pages and extents go back, as far as they hold nothing else.
  void keep(entry_type& e, token_interval tokens) noexcept
  {
    books_->set_device_tokens(e, intersect(e.device.tokens, tokens));
    books_->set_lower_tokens(e, intersect(e.lower.tokens, tokens));
    books_->settle(e);
    if constexpr (Books::has_lower) {
      books_->below().settle(e);
      books_->below().changed(e);
    }
  }

  Books* books_;
  tokens_forgotten forgotten_;
};

}  // namespace kvstrata
