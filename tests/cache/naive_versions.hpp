// What the cache promises of replace and read parts: the version that was committed last is served whole, or nothing is.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/sequence_name.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct naive_key_order
{
  bool operator()(const kvstrata::sequence_key& a, const kvstrata::sequence_key& b) const
  {
    return std::pair(a.space, a.id) < std::pair(b.space, b.id);
  }
};

/// Versions of replace and read parts, in the order of a request.
using naive_ground = std::vector<std::pair<kvstrata::sequence_key, std::uint64_t>>;

struct naive_version
{
  std::uint64_t number = 0;
  kvstrata::token_count tokens = 0;
  std::uint64_t draft = 0;  ///< that a served token must show
};

class naive_versions
{
 public:
  enum class outcome : std::uint8_t {
    served,
    fresh,       ///< nobody had it
    vanished,    ///< it had been committed
    not_enough,  ///< likewise, or it is there and is not as exact as is wanted
  };

  /// What was committed last, and has not vanished as far as anybody knows; null: nothing.
  [[nodiscard]] const naive_version* find(const kvstrata::sequence_key& key) const
  {
    const auto found = all_.find(key);
    return found == all_.end() ? nullptr : &found->second;
  }

  [[nodiscard]] const std::map<kvstrata::sequence_key, naive_version, naive_key_order>& all() const { return all_; }

  /// That version is asked for, and `computed` of its tokens are left to the model.
  outcome see(const kvstrata::sequence_key& key, std::uint64_t number, kvstrata::token_count tokens,
              kvstrata::token_count computed, bool exact)
  {
    const naive_version* const known = find(key);
    const bool same = known != nullptr && known->number == number;
    if (computed != 0 && computed != tokens) FAIL(name_of(key) << " is served in part");
    if (computed == 0 && tokens != 0) {
      if (!same || known->tokens != tokens)
        FAIL(name_of(key) << " is served as version " << number << ", which was not committed last");
      return outcome::served;
    }
    if (!same) return outcome::fresh;
    if (exact) return outcome::not_enough;
    all_.erase(key);
    return outcome::vanished;
  }

  void commit(const kvstrata::sequence_key& key, const naive_version& now) { all_[key] = now; }
  void forget(const kvstrata::sequence_key& key) { all_.erase(key); }
  void forget_all() { all_.clear(); }

  [[nodiscard]] static bool stands_on_another(const naive_ground& ground, const kvstrata::sequence_key& of,
                                              std::uint64_t number)
  {
    return std::any_of(ground.begin(), ground.end(),
                       [&](const auto& on) { return on.first == of && on.second != number; });
  }

 private:
  std::map<kvstrata::sequence_key, naive_version, naive_key_order> all_;
};

}  // namespace kvstrata_test
