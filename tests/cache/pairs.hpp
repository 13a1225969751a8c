// A covering set of points, in six parts: layout, copy engine up, copy engine down, transfer, write policy, split policy,
// shedding above, shedding below (none: no lower tier), bounds on writes.
#pragma once

#include "cache/subject.hpp"

#include <span>

namespace kvstrata_test {

[[nodiscard]] std::span<const policy_point> pairs_1();
[[nodiscard]] std::span<const policy_point> pairs_2();
[[nodiscard]] std::span<const policy_point> pairs_3();
[[nodiscard]] std::span<const policy_point> pairs_4();
[[nodiscard]] std::span<const policy_point> pairs_5();
[[nodiscard]] std::span<const policy_point> pairs_6();

}  // namespace kvstrata_test
