// Who is computed again although a level below the slab has it.
//
// Fetching costs the link, computing costs the model, and the two run side by side. The front of a history is cheap to
// compute, for its tokens attend to few; its rear is dear. So when something is computed again, it is fronts, and in a batch
// the fronts of all users as far as tokens that cost the same.
//
//   always_fetch        nothing is computed that any level has. The paper's way.
//   fetch_or_recompute  all or nothing of each user: whichever takes the batch less time
//   split_by_cost       fronts are computed while rears travel, cut where the batch takes the least time
//   two_pointers, batch_two_pointers (transfer/two_pointers.hpp): as Cake and CacheFlow meet in the middle
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename S::option_kind                   split_policy_option
// S{}, copies                               an aggregate: the value in a cache's configuration
// check(s)                                  absent: nothing is checked. Throws config_error when its figures make no sense;
//                                           asked when a cache is built
// s.recompute_until(batch, until)           batch: const split_batch&, until: std::span<token_count>, a place a user, zeros.
//                                           Of user i, the tokens of `front` in [0, until[i]) are computed, the rest is
//                                           fetched: a multiple of page_tokens or the front's end, and at most its end.
//                                           Asked for batches in which a user has a front. Const, and what it decides
//                                           depends on the batch alone. May throw: the batch is refused with that
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/member_names.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/transfer/cost_model.hpp>
#include <kvstrata/transfer/split_batch.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct split_policy_option;

template <class S>
concept is_split_option = option<S> && std::same_as<typename S::option_kind, split_policy_option>;

template <class S>
concept splits = requires(const S& split, const split_batch& batch, std::span<token_count> until) {
  { split.recompute_until(batch, until) } -> std::same_as<void>;
};

namespace detail {

struct name_check
{
  int check;
};
template <class S>
concept has_member_check = may_be_a_base<S> && !requires { &named_twice<S, name_check>::check; };

/// Refuses with a sentence.
template <class S>
struct refuse_split_policy
{
  static_assert(
      !has_member_check<S>,
      "a split policy has a member check, but check(s) must be a function beside it, or a friend: nobody would "
      "call it");
  static constexpr bool value = true;
};

}  // namespace detail

/// Where only a member check is in the way, the program does not compile, and is told why.
template <class S>
concept split_policy = is_split_option<S> && std::default_initializable<S> && std::copyable<S> && splits<S> &&
                       detail::refuse_split_policy<S>::value;

struct always_fetch
{
  using option_kind = split_policy_option;
  static constexpr void recompute_until(const split_batch&, std::span<token_count>) noexcept {}
};

namespace detail {

/// Seconds until a batch's last layer is computed, as cuts make it. Holds what all cuts have in common; the rest is added up
/// user by user.
class batch_seconds
{
 public:
  batch_seconds(const cost_model& cost, const split_batch& batch, token_count candidates) noexcept
      : cost_(&cost), queued_(batch.queued)
  {
    for (const split_question& q : batch.users) {
      // What begins the window and lies before all that is fetched is computed meanwhile; what waits is the rest.
      const bool leads = !q.compute.empty() && q.compute.front().begin == q.first_token;
      const double prefix = leads ? cost.compute_seconds(q.compute.front(), q.first_token) : 0;
      if (q.front.empty()) front_ += prefix;
      rest_ += cost.compute_seconds(q.compute, q.first_token) - prefix +
               candidates * (cost.seconds_per_token + cost.seconds_per_pair * (q.history - q.first_token + 1.0));
      behind_ += q.behind;
    }
  }

  /// A batch whose cuts compute `front` seconds a layer and leave `fetched` tokens of fronts to the link.
  [[nodiscard]] double of(double front, std::uint64_t fetched) const noexcept
  {
    return cost_->pipeline_seconds(cost_->fetch_seconds(fetched + behind_), front_ + front, rest_, queued_.link_seconds,
                                   queued_.model_seconds);
  }

  /// What a user's front costs when it is computed up to `cut`, with what lies before it.
  [[nodiscard]] double front_of(const split_question& q, token_count cut) const noexcept
  {
    return cost_->compute_seconds(token_interval{q.first_token, cut}, q.first_token);
  }

 private:
  const cost_model* cost_;
  queued_work queued_;
  double front_ = 0;          // users without a front: computed while others' copies travel
  double rest_ = 0;           // behind the fronts, and candidates
  std::uint64_t behind_ = 0;  // tokens
};

}  // namespace detail

/// O(users log users). Of the users whose tokens are the cheapest to compute, as many are computed as takes the batch the
/// least time. Fetches when both take as long.
struct fetch_or_recompute
{
  using option_kind = split_policy_option;

  cost_model cost;
  token_count candidates = 0;  ///< tokens beside the history that the model computes for each request

  void recompute_until(const split_batch& batch, std::span<token_count> until) const
  {
    const detail::batch_seconds seconds(cost, batch, candidates);
    std::vector<std::size_t> order;
    double front = 0;
    std::uint64_t fetched = 0;
    for (std::size_t i = 0; i < batch.users.size(); ++i) {
      const split_question& q = batch.users[i];
      if (q.front.empty()) continue;
      order.push_back(i);
      front += seconds.front_of(q, q.front.begin);
      fetched += q.front.size();
    }
    const auto adds = [&](std::size_t i) {
      const split_question& q = batch.users[i];
      return seconds.front_of(q, q.front.end) - seconds.front_of(q, q.front.begin);
    };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const double x = adds(a) * batch.users[b].front.size();
      const double y = adds(b) * batch.users[a].front.size();
      return !is_exactly(x, y) ? x < y : a < b;
    });
    double least = seconds.of(front, fetched);
    std::size_t computed = 0;
    for (std::size_t k = 0; k < order.size(); ++k) {
      front += adds(order[k]);
      fetched -= batch.users[order[k]].front.size();
      if (const double now = seconds.of(front, fetched); now < least) {
        least = now;
        computed = k + 1;
      }
    }
    for (std::size_t k = 0; k < computed; ++k) until[order[k]] = batch.users[order[k]].front.end;
  }

  friend void check(const fetch_or_recompute& s) { check(s.cost, "split.cost"); }
};

/// O(users log pages). Of cuts that take as long, those that compute least.
struct split_by_cost
{
  using option_kind = split_policy_option;

  cost_model cost;
  token_count candidates = 0;  ///< tokens beside the history that the model computes for each request

  void recompute_until(const split_batch& batch, std::span<token_count> until) const noexcept
  {
    if (!(cost.fetch_seconds(1) > 0)) return;
    const detail::batch_seconds seconds(cost, batch, candidates);
    const auto at = [&](std::uint64_t reach) {
      double front = 0;
      std::uint64_t fetched = 0;
      for (const split_question& q : batch.users) {
        if (q.front.empty()) continue;
        const token_count cut = detail::cut_at(q, reach, batch.page_tokens);
        front += seconds.front_of(q, cut);
        fetched += q.front.end - cut;
      }
      return seconds.of(front, fetched);
    };
    // Bisection for the first reach that the next one does not beat: fetching falls by a straight line, and computing is
    // convex. To fetch nothing saves the latency, too: that lies off the convex curve and is looked at by itself.
    const std::uint64_t whole = detail::last_reach(batch) + 1;
    std::uint64_t best = 0;
    for (std::uint64_t last = whole - 1; best < last;) {
      const std::uint64_t middle = best + (last - best) / 2;
      const std::uint64_t next = detail::next_reach(batch, middle);
      if (next < whole && at(next) < at(middle)) best = next;
      else last = middle;
    }
    if (at(whole) < at(best)) best = whole;
    for (std::size_t i = 0; i < batch.users.size(); ++i) {
      const split_question& q = batch.users[i];
      if (!q.front.empty()) until[i] = detail::told(q, detail::cut_at(q, best, batch.page_tokens));
    }
  }

  friend void check(const split_by_cost& s) { check(s.cost, "split.cost"); }
};

static_assert(split_policy<always_fetch> && split_policy<fetch_or_recompute> && split_policy<split_by_cost>);

}  // namespace kvstrata
