// What a layer of the model computes of a request, part by part.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/plan/part.hpp>
#include <kvstrata/simulate/machine.hpp>

#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Parts are added in their order. A token of an append part attends to the parts before it and to its own part up to itself; one
/// of a replace or read part to all of that part, too; one of a scratch part to all before it and itself. Where no part is
/// scratch, the model's own candidates attend to everything.
class request_work
{
 public:
  request_work(const cost_model& cost, token_count candidates) : cost_(cost), candidates_(candidates) {}

  /// Of the part's tokens [first_token, end) these are computed.
  void add(part_mode mode, token_interval tokens, std::span<const token_interval> computed)
  {
    const double before = before_;
    double count = 0;
    for (const token_interval piece : computed) count += piece.size();
    if (mode == part_mode::append) {
      seconds_ += cost_.compute_seconds(computed, tokens.begin) + cost_.seconds_per_pair * count * before;
    } else {
      const double sees = mode == part_mode::scratch ? before + 1 : before + tokens.size();
      seconds_ += count * (cost_.seconds_per_token + cost_.seconds_per_pair * sees);
    }
    if (mode == part_mode::scratch) candidates_ = 0;
    else before_ += tokens.size();
  }

  [[nodiscard]] double layer_seconds() const noexcept
  {
    return seconds_ + candidates_ * (cost_.seconds_per_token + cost_.seconds_per_pair * (before_ + 1.0));
  }

 private:
  cost_model cost_;
  double candidates_;
  double before_ = 0;  // tokens
  double seconds_ = 0;
};

}  // namespace kvstrata
