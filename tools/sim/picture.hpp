// Hit-ratio curves as one small SVG file, for documents: a panel per trace, nothing to click.
#pragma once

#include "sim/results.hpp"

#include <string>

namespace sim {

/// Left the hits, right what they are beyond LRU's, because curves of hits lie close together; where requests have parts
/// the usable ones. LRU, the best of those that do not know the future (by the mean over the sizes) and Belady are drawn
/// apart.
[[nodiscard]] std::string picture(const results& r);

}  // namespace sim
