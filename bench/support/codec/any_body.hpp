// Codecs for stores, whichever there are: those of zstd stand in a file of their own, built where libzstd is.
#pragma once

#include <kvstrata/codec/concepts.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace codec_bench {

struct any_body
{
  std::string name;
  std::size_t most = 0;
  std::function<std::size_t(std::span<const std::byte>, std::span<std::byte>)> encode;
  std::function<bool(std::span<const std::byte>, std::span<std::byte>)> decode;
};

template <kvstrata::body_codec C>
[[nodiscard]] any_body body_of(std::string name, const kvstrata::piece_shape& piece,
                               const typename C::config& told = {})
{
  const auto coder = C::coder(piece, told);
  return {std::move(name), coder.most_bytes(),
          [coder](std::span<const std::byte> raw, std::span<std::byte> code) { return coder.encode(raw, code); },
          [coder](std::span<const std::byte> code, std::span<std::byte> raw) { return coder.decode(code, raw); }};
}

/// exp_zstd first, then the lossy ones with zstd behind them; empty where this build knows no zstd.
[[nodiscard]] std::vector<any_body> zstd_bodies(const kvstrata::piece_shape& piece);

}  // namespace codec_bench
