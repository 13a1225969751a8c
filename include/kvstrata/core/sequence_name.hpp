// What sentences call a sequence.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// "user 7", or "sequence 7 of space 3".
[[nodiscard]] inline std::string name_of(const sequence_key& key)
{
  const std::string id = std::to_string(key.id);
  return key.space == 0 ? "user " + id : "sequence " + id + " of space " + std::to_string(key.space);
}

}  // namespace kvstrata
