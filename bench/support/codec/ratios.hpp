// How much smaller, layer by layer, over pages of several origins.
#pragma once

#include "support/codec/any_body.hpp"
#include "support/codec/page_set.hpp"
#include "support/target.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/exponent_table.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace codec_bench {

/// Encodes a layer's pieces one by one, checks what comes back where nothing may be lost, and returns raw / code.
[[nodiscard]] inline double ratio_of(const any_body& body, std::span<const std::byte> raw, std::size_t piece_bytes,
                                     bool lossless)
{
  std::vector<std::byte> code(body.most);
  std::vector<std::byte> back(piece_bytes);
  std::size_t bytes = 0;
  for (std::size_t at = 0; at + piece_bytes <= raw.size(); at += piece_bytes) {
    const auto piece = raw.subspan(at, piece_bytes);
    const std::size_t length = body.encode(piece, code);
    if (!body.decode(std::span(code).first(length), back)) throw kvstrata::error(body.name + " refuses its own code");
    if (lossless && !std::equal(back.begin(), back.end(), piece.begin())) {
      throw kvstrata::error(body.name + " loses bits");
    }
    bytes += length;
  }
  return static_cast<double>(raw.size() / piece_bytes * piece_bytes) / static_cast<double>(bytes);
}

/// Of a memory's frames, whose raw units lie elsewhere: raw / (codes + raw units).
template <kvstrata::page_codec C>
[[nodiscard]] double page_ratio(std::span<const std::byte> raw, const kvstrata::piece_shape& piece,
                                const typename C::config& told)
{
  const auto coder = C::coder(piece, told);
  std::vector<std::byte> code(coder.code_bytes());
  double bytes = 0;
  const double unit_bytes = static_cast<double>(piece.bytes()) / coder.units();
  for (std::size_t at = 0; at < raw.size(); at += piece.bytes()) {
    bytes += static_cast<double>(code.size());
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      if (coder.encode(unit, raw.data() + at, code.data()) != kvstrata::unit_kind::coded) bytes += unit_bytes;
    }
  }
  return static_cast<double>(raw.size()) / bytes;
}

inline void print_row(const std::string& name, const page_set& set, const std::vector<std::byte>& all,
                      const std::function<double(std::span<const std::byte>)>& ratio)
{
  std::printf("  %-44s", name.c_str());
  for (const auto& layer : set.layers) std::printf(" %7.3f", ratio(layer));
  std::printf("   %7.3f\n", ratio(all));
}

[[nodiscard]] inline std::vector<std::byte> all_layers(const page_set& set)
{
  std::vector<std::byte> all;
  for (const auto& layer : set.layers) all.insert(all.end(), layer.begin(), layer.end());
  return all;
}

[[nodiscard]] inline kvstrata::codec::exponent_counts counted(const page_set& set)
{
  kvstrata::codec::exponent_counts counts;
  for (const auto& layer : set.layers) counts.count(layer, set.piece.element);
  return counts;
}

/// A piece of so many bytes in all, for codecs that do not ask what is K and what is V.
[[nodiscard]] inline kvstrata::piece_shape piece_of_bytes(const page_set& set, std::size_t bytes)
{
  kvstrata::piece_shape piece = set.piece;
  piece.tokens = static_cast<kvstrata::token_count>(bytes / (piece.bytes() / piece.tokens));
  return piece;
}

[[nodiscard]] inline std::string size_text(std::size_t bytes)
{
  return bytes % 1024 == 0 ? std::to_string(bytes / 1024) + " KiB" : std::to_string(bytes) + " bytes";
}

/// `other`: pages whose exponents an epoch's table should not be counted on.
inline void print_ratios(const page_set& set, const page_set& other)
{
  using namespace kvstrata::codec;
  const std::vector<std::byte> all = all_layers(set);
  std::printf("%s: raw bytes / code, layer by layer and together; pieces of %s unless said\n", set.name.c_str(),
              size_text(set.piece.bytes()).c_str());
  print_row("bound of any code without memory", set, all, joint_bound);
  const exponent_table own = counted(set).table();
  const exponent_table foreign = counted(other).table();
  for (const auto& [name, table] :
       {std::pair{std::string("exp4, counted here"), own}, std::pair{"exp4, counted on " + other.name, foreign}}) {
    const exp4::config told{table};
    print_row(name, set, all, [&](auto raw) { return page_ratio<exp4>(raw, set.piece, told); });
    std::printf("  %-44s %.3f %%\n", "  outside that table", 100 * counted(set).share_outside(table));
  }
  print_row("int8", set, all, [&](auto raw) { return page_ratio<int8>(raw, set.piece, {}); });
  print_row("fp8", set, all, [&](auto raw) { return page_ratio<fp8>(raw, set.piece, {}); });
  print_row("int4", set, all, [&](auto raw) { return page_ratio<int4>(raw, set.piece, {}); });
  for (const std::size_t bytes : {set.piece.bytes() / 2, 4 * set.piece.bytes()}) {
    if (bytes > set.layers.front().size()) continue;
    const auto bodies = zstd_bodies(piece_of_bytes(set, bytes));
    for (std::size_t i = 0; i < bodies.size() && i < 2; ++i) {
      print_row(bodies[i].name + ", " + size_text(bytes), set, all,
                [&](auto raw) { return ratio_of(bodies[i], raw, bytes, true); });
    }
  }
  for (const any_body& body : zstd_bodies(set.piece)) {
    const bool lossless = body.name.starts_with("exp_zstd");
    print_row(body.name, set, all, [&](auto raw) { return ratio_of(body, raw, set.piece.bytes(), lossless); });
  }
  std::printf("\n");
}

}  // namespace codec_bench
