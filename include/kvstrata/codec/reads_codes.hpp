// Whether what one code has written is read by another: a level's frames outlive the configuration that filled them.
#pragma once

#include <kvstrata/codec/page_code.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Codes of one size, and of pieces that are coded, kept raw, and not whole `after` makes what `before` does. Both of one piece.
/// Allocates a few pieces.
[[nodiscard]] inline bool reads_codes_of(const page_code& after, const page_code& before)
{
  if (after.code_bytes() != before.code_bytes()) return false;
  const std::size_t bytes = before.piece().bytes();
  std::vector<std::byte> raw(bytes), elsewhere(bytes), code(before.code_bytes()), again(bytes);
  const auto decoded = [&](const page_code& by) {
    const code_piece one{again.data(), code.data(), elsewhere.data(), true};
    return by.decode({&one, 1}).faults == 0;
  };
  for (const std::byte value : {std::byte{0}, std::byte{0x3F}}) {  // zeros; and values near 1, which most codes have
    for (const bool whole : {true, false}) {
      std::fill(raw.begin(), raw.end(), value);
      const code_piece one{raw.data(), code.data(), elsewhere.data(), whole};
      static_cast<void>(before.encode({&one, 1}));
      if (!decoded(before)) return false;
      raw = again;
      if (!decoded(after) || raw != again) return false;
    }
  }
  return true;
}

}  // namespace kvstrata
