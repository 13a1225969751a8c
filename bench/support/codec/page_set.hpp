// K and V to be encoded, in bf16 and pages: of a trained model, of golden users, of the example's random weights, drawn.
#pragma once

#include "support/codec/plain_hstu.hpp"
#include "support/codec/tensor_file.hpp"

#include "command_line/source_dir.hpp"

#include <kvstrata/codec/piece.hpp>
#include <kvstrata/codec/values.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace codec_bench {

/// Where the project's data lie: $KVSTRATA_DATA, else ../shared/data.
[[nodiscard]] inline std::optional<std::filesystem::path> find_data(const std::string& name)
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path root =
      set != nullptr && *set != '\0' ? std::filesystem::path(set) : tools::source_dir() / ".." / "shared" / "data";
  std::error_code ignored;
  if (!std::filesystem::exists(root / name, ignored)) return std::nullopt;
  return (root / name).lexically_normal();
}

struct page_set
{
  std::string name;
  kvstrata::piece_shape piece;                 ///< K and V of a page in one layer
  std::vector<std::vector<std::byte>> layers;  ///< [layer] pieces, one after the other
};

/// [K, V][token][head][dim] of tokens [first, first + piece.tokens); tokens that are not there are zero.
inline void put_piece(const kvstrata::piece_shape& piece, const layer_kv& kv, std::size_t first,
                      std::vector<std::byte>& to)
{
  using bf16 = kvstrata::codec::element_bits<kvstrata::element_type::bf16>;
  const std::size_t width = std::size_t{piece.kv_heads} * piece.head_dim;
  for (const std::vector<float>* side : {&kv.keys, &kv.values}) {
    for (std::size_t i = first * width; i < (first + piece.tokens) * width; ++i) {
      const std::uint16_t bits = i < side->size() ? bf16::from_f32((*side)[i]) : std::uint16_t{0};
      const std::size_t at = to.size();
      to.resize(at + 2);
      std::memcpy(to.data() + at, &bits, 2);
    }
  }
}

[[nodiscard]] inline std::optional<page_set> trained_pages()
{
  const auto path = find_data("trained_hstu/pages_b.bin");
  if (!path) return std::nullopt;
  page_set set{"trained model b", {32, 4, 64, kvstrata::element_type::bf16}, std::vector<std::vector<std::byte>>(4)};
  std::ifstream in(*path, std::ios::binary);
  std::vector<std::byte> piece(set.piece.bytes());
  for (int i = 0; i < 32; ++i) {
    in.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    auto& layer = set.layers[static_cast<std::size_t>(i % 4)];
    layer.insert(layer.end(), piece.begin(), piece.end());
  }
  if (!in) throw kvstrata::data_error(path->string(), 0, "it is shorter than a MiB");
  return set;
}

/// Whole pages of the golden users' K and V.
[[nodiscard]] inline std::optional<page_set> golden_pages()
{
  const auto path = find_data("trained_hstu/golden_a.safetensors");
  if (!path) return std::nullopt;
  const tensor_file file(*path);
  page_set set{
      "golden users of model a", {32, 2, 32, kvstrata::element_type::bf16}, std::vector<std::vector<std::byte>>(2)};
  for (int user = 0; user < 3; ++user) {
    const std::string who = "user" + std::to_string(user) + '.';
    const auto keys = file.get<float>(who + "keys");
    const auto values = file.get<float>(who + "values");
    const std::size_t of_layer = keys.size() / 2;
    for (std::size_t l = 0; l < 2; ++l) {
      const auto from = static_cast<std::ptrdiff_t>(l * of_layer);
      const auto to = static_cast<std::ptrdiff_t>((l + 1) * of_layer);
      const layer_kv kv{{keys.begin() + from, keys.begin() + to}, {values.begin() + from, values.begin() + to}};
      for (std::size_t t = 0; t + 32 <= of_layer / 64; t += 32) put_piece(set.piece, kv, t, set.layers[l]);
    }
  }
  return set;
}

/// The example's model as it is without training.
[[nodiscard]] inline page_set random_pages()
{
  hstu::config c;
  const hstu::weights w = hstu::random_weights(c);
  const plain_hstu model(c, w);
  std::mt19937 random(1);
  std::vector<std::vector<float>> inputs;
  std::vector<std::int64_t> times;
  constexpr std::size_t tokens = 128;
  for (std::size_t t = 0; t < tokens; ++t) {
    const bool is_item = t % 2 == 0;
    inputs.push_back(model.input(is_item ? w.items : w.actions, random() % (is_item ? c.items : c.actions), t));
    times.push_back(static_cast<std::int64_t>(t / 2 * 100 + random() % 100));
  }
  std::sort(times.begin(), times.end());
  const std::vector<layer_kv> kv = history_kv(model, inputs, times);
  page_set set{"the example's random weights",
               {32, c.heads, c.head_dim, kvstrata::element_type::bf16},
               std::vector<std::vector<std::byte>>(c.layers)};
  for (std::size_t l = 0; l < c.layers; ++l) {
    for (std::size_t t = 0; t < tokens; t += 32) put_piece(set.piece, kv[l], t, set.layers[l]);
  }
  return set;
}

/// Gaussian, as linear K and V are; or SiLU'd, in place of pages that are not there.
[[nodiscard]] inline page_set drawn_pages(bool silu)
{
  page_set set{silu ? "SiLU of Gaussian values" : "Gaussian values",
               {32, 4, 64, kvstrata::element_type::bf16},
               std::vector<std::vector<std::byte>>(4)};
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, silu ? 2.0F : 1.0F);
  for (auto& layer : set.layers) {
    layer_kv kv;
    for (auto* side : {&kv.keys, &kv.values}) {
      for (int i = 0; i < 256 * 256; ++i) {
        const float x = normal(random);
        side->push_back(silu ? x / (1 + std::exp(-x)) : x);
      }
    }
    for (std::size_t t = 0; t < 256; t += 32) put_piece(set.piece, kv, t, layer);
  }
  return set;
}

/// How far any code without memory could shrink these values: 16 bits / their entropy.
[[nodiscard]] inline double joint_bound(std::span<const std::byte> bf16)
{
  std::vector<std::uint32_t> counts(65'536);
  for (std::size_t at = 0; at < bf16.size(); at += 2) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bf16.data() + at, 2);
    ++counts[bits];
  }
  const double all = static_cast<double>(bf16.size()) / 2;
  double entropy = 0;
  for (const std::uint32_t n : counts) {
    if (n != 0) entropy -= n / all * std::log2(n / all);
  }
  return 16 / entropy;
}

}  // namespace codec_bench
