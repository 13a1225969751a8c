// A server's answer, as values.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

struct reply
{
  enum class kind : std::uint8_t { nil, status, failure, integer, text, list };

  kind is = kind::nil;
  std::int64_t number = 0;
  std::string text;  ///< of a status, a failure, a text
  std::vector<reply> parts;

  [[nodiscard]] bool is_text() const noexcept { return is == kind::text; }
  [[nodiscard]] bool is_list() const noexcept { return is == kind::list; }
  [[nodiscard]] bool is_failure() const noexcept { return is == kind::failure; }
};

}  // namespace kvstrata::redis
