// What a store may have of one sequence, where not all is known that became of its calls: a set of states.
#pragma once

#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <vector>

namespace kvstrata_test {

/// Whether the store has a record of a sequence, and of what.
struct possible_state
{
  bool present = false;
  kvstrata::record_header header{};  ///< its life
  kvstrata::token_interval least{};  ///< that must be in it
  kvstrata::token_interval most{};   ///< beyond which there is nothing

  [[nodiscard]] bool allows(const kvstrata::record_header& found) const noexcept
  {
    return present && same_life(header, found) && found.tokens.contains(least) && most.contains(found.tokens);
  }
};

/// What the calls of one sequence leave open.
class possible_states
{
 public:
  [[nodiscard]] const std::vector<possible_state>& all() const noexcept { return all_; }
  [[nodiscard]] bool may_be_absent() const noexcept
  {
    return std::any_of(all_.begin(), all_.end(), [](const possible_state& one) { return !one.present; });
  }
  [[nodiscard]] bool must_be_absent() const noexcept
  {
    return std::none_of(all_.begin(), all_.end(), [](const possible_state& one) { return one.present; });
  }
  [[nodiscard]] bool allows(const kvstrata::record_header& found) const noexcept
  {
    return std::any_of(all_.begin(), all_.end(), [&](const possible_state& one) { return one.allows(found); });
  }

  /// A put. Sure: it is there. Else it may be, in part where it may be more than one record (`divisible`). `beside`: a put of
  /// the same sequence was under way meanwhile.
  void put(const kvstrata::record_header& fresh, kvstrata::token_interval most, bool is_sure, bool divisible,
           bool beside)
  {
    std::vector<possible_state> out;
    if (!is_sure) out = all_;
    for (const possible_state& old : all_) {
      const bool joins = old.present && same_life(old.header, fresh);
      possible_state next{true, fresh, fresh.tokens, joins ? hull(old.most, most) : most};
      if (joins && !beside && !old.least.empty()) {
        kvstrata::record_header before = old.header;
        before.tokens = old.least;
        next.least = join(before, fresh).tokens;
      }
      if (!is_sure && divisible) next.least = joins && joinable(old.least, fresh.tokens) ? old.least : token_none;
      add(out, next);
    }
    all_.swap(out);
  }

  void erase(bool is_sure)
  {
    if (is_sure) all_.clear();
    add(all_, {});
  }
  /// Anything may have gone of it: it was evicted, or found bad.
  void may_have_lost()
  {
    for (possible_state& one : all_) one.least = {};
    add(all_, {});
  }

 private:
  static constexpr kvstrata::token_interval token_none{};

  static void add(std::vector<possible_state>& to, const possible_state& one)
  {
    for (const possible_state& old : to) {
      if (old.present == one.present &&
          (!one.present || (same_life(old.header, one.header) && old.least == one.least && old.most == one.most))) {
        return;
      }
    }
    to.push_back(one);
  }

  std::vector<possible_state> all_{possible_state{}};
};

}  // namespace kvstrata_test
