// The admission policies that ship, by name.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>
#include <kvstrata/replacement/admission/write_rate.hpp>
#include <kvstrata/simulate/any_admission.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvstrata {

/// The admission policy of that name for a cache of that size; nothing for always. `bytes_per_second` is write_rate's
/// limit; 0: the cache's size once a day. Throws config_error.
[[nodiscard]] inline std::optional<any_admission> make_admission_named(std::string_view name, const tier_size& size,
                                                                       std::uint64_t bytes_per_second = 0)
{
  if (name == "always") return std::nullopt;
  if (name == "second_use") return any_admission(second_use(size));
  if (name == "tiny_lfu") return any_admission(tiny_lfu(size));
  if (name == "write_rate") {
    return any_admission(basic_write_rate<>(size, write_rate_options{.bytes_per_second = bytes_per_second}));
  }
  throw config_error("admission name", "'" + std::string(name) + "'",
                     "it must be always, second_use, tiny_lfu or write_rate");
}

}  // namespace kvstrata
