// A position policy as the passes of this model ask it: by how much K is turned as it is kept, and as it is read.
#pragma once

#include "decoder/config.hpp"

#include <kvstrata/position/angle_table.hpp>
#include <kvstrata/position/concepts.hpp>
#include <kvstrata/position/rotary.hpp>

#include <string_view>
#include <vector>

namespace decoder {

/// Made once; immutable, any number of threads and passes may use it. Knows the policy by what it says only, so that passes are
/// compiled once for all policies.
class block_positions
{
 public:
  /// For contexts of at most `context` tokens, and so for blocks. 8 bytes a token and pair, twice.
  template <kvstrata::position_policy P>
  block_positions(const config& c, const P& policy, kvstrata::token_count context)
      : by_(c.head_dim, c.rotary_base), name_(P::name), size_(context)
  {
    const auto fill = [&](std::vector<float>& cosines, std::vector<float>& sines, auto&& turn_of) {
      cosines.resize(context * std::size_t{by_.pairs()});
      sines.resize(context * std::size_t{by_.pairs()});
      for (kvstrata::token_count t = 0; t < context; ++t) {
        const std::size_t at = std::size_t{t} * by_.pairs();
        by_.angles(turn_of(t), cosines.data() + at, sines.data() + at);
      }
    };
    static_assert(P::encodes, "this decoder has rotary positions, so its K must be turned somewhere");
    fill(kept_.cosines, kept_.sines, [&](kvstrata::token_count t) { return policy.kept(t); });
    if (P::turns_reads) fill(read_.cosines, read_.sines, [&](kvstrata::token_count t) { return policy.read(t); });
  }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] const kvstrata::rotary& by() const noexcept { return by_; }
  [[nodiscard]] kvstrata::token_count size() const noexcept { return size_; }
  /// By a block's token.
  [[nodiscard]] kvstrata::read_angles kept() const noexcept { return view(kept_); }
  /// By position; null where nothing is turned.
  [[nodiscard]] kvstrata::read_angles read() const noexcept { return view(read_); }

 private:
  [[nodiscard]] kvstrata::read_angles view(const kvstrata::turn_angles& a) const noexcept
  {
    if (a.cosines.empty()) return {};
    return {.cosines = a.cosines.data(), .sines = a.sines.data(), .pairs = by_.pairs()};
  }

  kvstrata::rotary by_;
  std::string_view name_;
  kvstrata::token_count size_;
  kvstrata::turn_angles kept_, read_;
};

}  // namespace decoder
