// Policies that are chosen by name when a run begins, apart for each tier.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/simulate/any_replacement.hpp>

#include <array>
#include <string_view>

namespace sim {

struct named_policy
{
  std::string_view name;
  kvstrata::any_replacement (*make)(const kvstrata::tier_size& size);
};

/// The policy of that name, one of machine_policies().
[[nodiscard]] const named_policy& find_policy(std::string_view name);

/// What the tiers that this thread makes next are to have: a tier makes its policy by itself and knows nothing but its size.
inline thread_local std::array<const named_policy*, 2> chosen_policies{};

template <kvstrata::level_index Level>
class chosen_policy : public kvstrata::any_replacement
{
 public:
  explicit chosen_policy(const kvstrata::tier_size& size) : any_replacement(chosen_policies[Level]->make(size)) {}
};

}  // namespace sim
