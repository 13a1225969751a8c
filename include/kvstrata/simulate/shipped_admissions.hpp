// The admission policies that ship, by name.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/admission/write_rate.hpp>
#include <kvstrata/simulate/any_admission.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The admission policy of that name for a cache of that size; nothing for always. `bytes_per_second` is write_rate's
/// limit (0: the cache's size once a day) and worth_writing's budget (0: none). Throws config_error.
[[nodiscard]] inline std::optional<any_admission> make_admission_named(std::string_view name, const tier_size& size,
                                                                       std::uint64_t bytes_per_second = 0)
{
  if (name == "always") return std::nullopt;
  if (name == "second_use") return any_admission(second_use(size));
  if (name == "lru_k_admission") return any_admission(lru_k_admission<2>(size));
  if (name == "tiny_lfu") return any_admission(tiny_lfu(size));
  if (name == "worth_writing") {
    return any_admission(worth_writing(size, worth_writing_options{.bytes_per_second = bytes_per_second}));
  }
  if (name == "write_rate") {
    return any_admission(basic_write_rate<>(size, write_rate_options{.bytes_per_second = bytes_per_second}));
  }
  throw config_error("admission name", "'" + std::string(name) + "'",
                     "it must be always, lru_k_admission, second_use, tiny_lfu, worth_writing or write_rate");
}

}  // namespace kvstrata
