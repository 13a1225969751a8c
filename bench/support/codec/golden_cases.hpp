// K and V that other people's code made of random weights, in bf16: the golden cases of $KVSTRATA_GOLDEN, else ../shared/golden. They
// are small: 28 tokens, which are one page here.
#pragma once

#include "support/codec/page_set.hpp"
#include "support/npy.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace codec_bench {

[[nodiscard]] inline std::optional<page_set> golden_case_pages(const std::string& name)
{
  const char* const set = std::getenv("KVSTRATA_GOLDEN");
  const std::filesystem::path root =
      set != nullptr && *set != '\0' ? std::filesystem::path(set) : tools::source_dir() / ".." / "shared" / "golden";
  std::error_code ignored;
  if (!std::filesystem::exists(root / name, ignored)) return std::nullopt;
  // hidden, heads, head_dim, layers, events, candidates, rep; a token for an event and one for its action.
  const std::vector<std::int64_t> shape = kvstrata_test::read_npy<std::int64_t>(root / name / "shape.npy");
  const std::vector<float> keys = kvstrata_test::read_npy<float>(root / name / "keys.npy");
  const std::vector<float> values = kvstrata_test::read_npy<float>(root / name / "values.npy");
  const auto of = [&shape](std::size_t i) { return static_cast<std::uint32_t>(shape.at(i)); };
  page_set out{"golden case " + name,
               {2 * of(4), of(1), of(2), kvstrata::element_type::bf16},
               std::vector<std::vector<std::byte>>(of(3))};
  const std::size_t of_layer = keys.size() / of(3);
  for (std::size_t l = 0; l < out.layers.size(); ++l) {
    const auto from = static_cast<std::ptrdiff_t>(l * of_layer);
    const auto to = static_cast<std::ptrdiff_t>((l + 1) * of_layer);
    const layer_kv kv{{keys.begin() + from, keys.begin() + to}, {values.begin() + from, values.begin() + to}};
    put_piece(out.piece, kv, 0, out.layers[l]);
  }
  return out;
}

}  // namespace codec_bench
