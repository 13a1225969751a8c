// Puts a planned batch before the split policy.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. Reused from batch to batch, so that it does not allocate in steady state.
template <split_policy Split>
class splitter
{
 public:
  explicit splitter(const Split& split) : split_(split) {}

  /// What shall be computed again of each request, although a level below the slab has it; empty when that is nothing for
  /// all of them. Up to whole pages: the model does not write to a page that is being onloaded.
  [[nodiscard]] std::span<const token_interval> ask(const batch_plan& plan, token_count page_tokens,
                                                    const queued_work& queued)
  {
    if constexpr (std::same_as<Split, always_fetch>) return {};
    bool any = false;
    for (const request_plan& p : plan.requests) any = any || may_be_split(p);
    if (!any) return {};
    any = false;
    questions_.clear();
    for (const request_plan& p : plan.requests) {
      questions_.push_back(question_of(p, plan));
      any = any || !questions_.back().front.empty();
    }
    if (!any) return {};
    until_.assign(questions_.size(), 0);
    split_.recompute_until({.users = questions_, .page_tokens = page_tokens, .queued = queued}, std::span(until_));
    again_.assign(questions_.size(), token_interval{});
    any = false;
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const token_interval front = questions_[i].front;
      const token_count until = until_[i] >= front.end ? front.end : until_[i] - until_[i] % page_tokens;
      if (until > front.begin) again_[i] = {front.begin, until};
      any = any || !again_[i].empty();
    }
    return any ? std::span<const token_interval>(again_) : std::span<const token_interval>();
  }

 private:
  [[nodiscard]] static bool may_be_split(const request_plan& p) noexcept
  {
    return p.fetched != 0 && p.kept.earlier_until == 0 && !p.kept.unproven;  // else it might not be the same again
  }

  [[nodiscard]] static split_question question_of(const request_plan& p, const batch_plan& plan)
  {
    token_interval front;
    if (may_be_split(p)) {
      for (const piece& next : plan.pieces_of(p)) {
        if (next.source == 0) break;
        if (next.is_fetched() && joinable(front, next.tokens)) front = hull(front, next.tokens);
      }
    }
    return {.history = p.history,
            .in_slab = p.in_slab,
            .front = front,
            .behind = p.fetched - front.size(),
            .compute = plan.compute_of(p),
            .first_token = p.first_token};
  }

  Split split_;
  std::vector<split_question> questions_;
  std::vector<token_count> until_;
  std::vector<token_interval> again_;
};

}  // namespace kvstrata
