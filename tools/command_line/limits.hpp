// What a number on a command line may be.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace tools {

/// Throws kvstrata::config_error with the option, its value and the limit that it breaks.
inline void within(std::string_view option, std::uint64_t value, std::uint64_t least, std::uint64_t most)
{
  if (value < least) throw kvstrata::config_error(option, value, "it must be at least " + std::to_string(least));
  if (value > most) throw kvstrata::config_error(option, value, "it may be at most " + std::to_string(most));
}

}  // namespace tools
