// Takes out of all levels what requests have made useless (plan/kept_tokens.hpp says what that is), and counts it.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/vouchers.hpp>

#include <cstddef>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Moves no bytes. Not synchronised: the cache holds a lock.
template <class Residency>
class forgetter
{
 public:
  using entry_type = typename Residency::entry_type;

  explicit forgetter(Residency& r) : residency_(&r) {}

  /// All of it so far.
  [[nodiscard]] const tokens_forgotten& forgotten() const noexcept { return forgotten_; }

  /// Of the plan's users, all of whom are held, nothing stays that the plan does not keep; `requests` are theirs. O(users),
  /// but for their pages.
  void carry_out(const batch_plan& plan, std::span<entry_type* const> users, std::span<const request> requests,
                 std::size_t kept_stretches) noexcept
  {
    tokens_forgotten all;
    bool any = false;
    for (std::size_t i = 0; i < users.size(); ++i) {
      const request_plan& r = plan.requests[i];
      if (r.whole) continue;
      if (known_history* const known = users[i]->if_known()) {  // else there is no window
        known->first_token = r.first_token;
        known->earlier_until = r.kept.earlier_until;
        known->version = version_of(requests[i]);
        vouchers<entry_type>::cut(*users[i], requests[i], r.kept, kept_stretches);
      }
      if (!r.kept.forgets) continue;
      all += r.kept.forgotten;
      any = true;
      keep(*users[i], r.kept.tokens);
    }
    if (!any) return;
    forgotten_ += all;
    tell(residency_->tracker(), all);
  }

 private:
  /// First the rest is not there any more, then its frames go back, as far as they hold nothing else.
  void keep(entry_type& e, token_interval tokens) noexcept
  {
    each_level<0, Residency::memories>(
        [&](auto i) { residency_->template set_tokens<i()>(e, intersect(e.template look<i()>().tokens, tokens)); });
    each_level<0, Residency::memories>([&](auto i) { residency_->template trim<i()>(e); });
    residency_->changed(e);
  }

  Residency* residency_;
  tokens_forgotten forgotten_;
};

}  // namespace kvstrata
