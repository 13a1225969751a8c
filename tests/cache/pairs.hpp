// A covering set of points, in parts by layout: layout, copy engine up, copy engine down, transfer, write policy, split
// policy, shedding above, shedding below (none: no lower tier), bounds on writes.
#pragma once

#include "cache/subject.hpp"

#include <span>

namespace kvstrata_test {

[[nodiscard]] std::span<const policy_point> pairs_contiguous();
[[nodiscard]] std::span<const policy_point> pairs_hybrid_layer_first();
[[nodiscard]] std::span<const policy_point> pairs_hybrid_page_first();
[[nodiscard]] std::span<const policy_point> pairs_paged_layer_first();
[[nodiscard]] std::span<const policy_point> pairs_paged_page_first();

}  // namespace kvstrata_test
