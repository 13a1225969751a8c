// Who is computed again although a level below the slab has it.
//
// Fetching costs the link, computing costs the model, and the two run side by side. The front of a history is cheap to
// compute, for its tokens attend to few; its rear is dear. So when something is computed again, it is the front.
//
//   always_fetch        nothing is computed that any level has. The paper's way.
//   fetch_or_recompute  all or nothing: whichever takes less time
//   split_by_cost       the front is computed while the rear travels, cut where both together take the least time
//
// expression                                meaning
// ----------------------------------------- -----------------------------------------------------------------------
// typename S::option_kind                   split_policy_option
// S{}, copies                               an aggregate: the value in a cache's configuration
// check(s)                                  absent: nothing is checked. Throws config_error when its figures make no sense;
//                                           asked when a cache is built
// s.recompute_until(question)               the tokens of `front` in [0, result) are computed, the rest is
//   -> token_count                          fetched: a multiple of page_tokens or the front's end, and at most its end.
//                                           Const and pure
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <concepts>
#include <span>

namespace kvstrata {

struct split_policy_option;

/// One user of a batch: who has what of the tokens [first_token, history).
struct split_question
{
  token_count history = 0;
  token_interval in_slab{};  ///< need not be fetched
  token_interval front{};    ///< the first tokens to be fetched, side by side; before what is in the slab
  token_count behind = 0;    ///< tokens to be fetched behind them
  std::span<const token_interval> compute{};  ///< what no level has, ascending
  token_count page_tokens = 1;
  token_count first_token = 0;  ///< what lies before it does not count: nothing attends to it
};

template <class S>
concept is_split_option = option<S> && std::same_as<typename S::option_kind, split_policy_option>;

template <class S>
concept splits = requires(const S& split, const split_question& question) {
  { split.recompute_until(question) } -> std::same_as<token_count>;
};

template <class S>
concept split_policy = is_split_option<S> && std::default_initializable<S> && std::copyable<S> && splits<S>;

struct always_fetch
{
  using option_kind = split_policy_option;
  [[nodiscard]] static constexpr token_count recompute_until(const split_question&) noexcept { return 0; }
};

namespace detail {

/// Seconds until the last layer is computed, when the tokens of `front` before `until` are computed with the front
/// and the rest is fetched. Convex in `until` while anything is fetched: fetching falls by a straight line, and computing
/// is convex. Holds what all cuts have in common.
class split_seconds
{
 public:
  split_seconds(const cost_model& cost, const split_question& q, token_count candidates) noexcept
      : cost_(&cost), first_(q.first_token), end_(q.front.end + q.behind)
  {
    const token_interval before{first_, q.front.begin};  // all of it is computed
    rest_ = cost.compute_seconds(q.compute, first_) - cost.compute_seconds(before, first_) +
            candidates * (cost.seconds_per_token + cost.seconds_per_pair * (q.history - first_ + 1.0));
  }

  [[nodiscard]] double operator()(token_count until) const noexcept
  {
    return cost_->pipeline_seconds(cost_->fetch_seconds(end_ - until),
                                   cost_->compute_seconds(token_interval{first_, until}, first_), rest_);
  }

 private:
  const cost_model* cost_;
  token_count first_;
  token_count end_;  // of what could be fetched, were it one piece
  double rest_;      // of computing: behind the front, and candidates
};

}  // namespace detail

/// O(1) but for the length of the compute list. Fetches when both take as long.
struct fetch_or_recompute
{
  using option_kind = split_policy_option;

  cost_model cost;
  token_count candidates = 0;  ///< tokens beside the history that the model computes for each request

  [[nodiscard]] token_count recompute_until(const split_question& q) const noexcept
  {
    const token_interval hit = q.front;
    if (hit.empty()) return 0;
    const detail::split_seconds seconds(cost, q, candidates);
    return seconds(hit.end) < seconds(hit.begin) ? hit.end : 0;
  }

  friend void check(const fetch_or_recompute& s) { check(s.cost, "split.cost"); }
};

/// O(log pages) but for the length of the compute list. Of cuts that take as long, the one that computes least.
struct split_by_cost
{
  using option_kind = split_policy_option;

  cost_model cost;
  token_count candidates = 0;  ///< tokens beside the history that the model computes for each request

  [[nodiscard]] token_count recompute_until(const split_question& q) const noexcept
  {
    const token_interval hit = q.front;
    if (hit.empty() || !(cost.fetch_seconds(hit.end + q.behind) > 0)) return 0;
    const auto cut = [&](page_count page) {
      return page * q.page_tokens > hit.begin ? page * q.page_tokens : hit.begin;
    };
    const detail::split_seconds seconds(cost, q, candidates);
    // Bisection for the first cut that the next one does not beat. To fetch nothing saves the latency, too: that cut
    // lies off the convex curve and is looked at by itself.
    page_count best = hit.begin / q.page_tokens;
    for (page_count last = (hit.end - 1) / q.page_tokens; best < last;) {
      const page_count middle = best + (last - best) / 2;
      if (seconds(cut(middle + 1)) < seconds(cut(middle))) best = middle + 1;
      else last = middle;
    }
    const token_count until = seconds(hit.end) < seconds(cut(best)) ? hit.end : cut(best);
    return until > hit.begin ? until : 0;
  }

  friend void check(const split_by_cost& s) { check(s.cost, "split.cost"); }
};

static_assert(split_policy<always_fetch> && split_policy<fetch_or_recompute> && split_policy<split_by_cost>);

}  // namespace kvstrata
