// What lossy codecs cost, on the trained model: its own attention, states and answers, with K and V of the history that
// came through a codec. Queries and what they add are exact; so is what is measured against.
#pragma once

#include "support/codec/plain_hstu.hpp"
#include "support/codec/trained_model.hpp"
#include "support/target.hpp"

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace codec_bench {

/// K and V, in place, as they come back.
using through_codec = std::function<void(layer_kv&)>;

/// By the pieces that tokens make, of bf16 or f32; what the last page lacks is zero.
template <kvstrata::page_codec C>
[[nodiscard]] through_codec through(const hstu::config& c, kvstrata::element_type element,
                                    const typename C::config& told = {})
{
  using namespace kvstrata;
  const piece_shape piece{page_tokens, c.heads, c.head_dim, element};
  return [coder = C::coder(piece, told), piece](layer_kv& kv) {
    const std::size_t side = piece.values() / 2;
    std::vector<std::byte> raw(piece.bytes()), code(coder.code_bytes());
    const auto each = [&](std::size_t first, auto&& visit) {
      std::size_t i = 0;
      for (std::vector<float>* half : {&kv.keys, &kv.values}) {
        for (std::size_t k = 0; k < side; ++k, ++i) visit(i, first + k < half->size() ? &(*half)[first + k] : nullptr);
      }
    };
    for (std::size_t first = 0; first < kv.keys.size(); first += side) {
      each(first, [&](std::size_t i, const float* value) {
        const float v = value != nullptr ? *value : 0;
        if (piece.element == element_type::f32) {
          std::memcpy(raw.data() + 4 * i, &v, 4);
        } else {
          const std::uint16_t bits = codec::element_bits<element_type::bf16>::from_f32(v);
          std::memcpy(raw.data() + 2 * i, &bits, 2);
        }
      });
      for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
        if (coder.encode(unit, raw.data(), code.data()) != unit_kind::coded ||
            coder.decode(unit, code.data(), raw.data()) != unit_kind::coded) {
          throw error("a codec left a finite piece raw");
        }
      }
      each(first, [&](std::size_t i, float* value) {
        if (value == nullptr) return;
        if (piece.element == element_type::f32) {
          std::memcpy(value, raw.data() + 4 * i, 4);
        } else {
          std::uint16_t bits = 0;
          std::memcpy(&bits, raw.data() + 2 * i, 2);
          *value = codec::element_bits<element_type::bf16>::to_f32(bits);
        }
      });
    }
  };
}

/// bf16 alone.
[[nodiscard]] inline through_codec through_bf16()
{
  return [](layer_kv& kv) {
    using bf16 = kvstrata::codec::element_bits<kvstrata::element_type::bf16>;
    for (std::vector<float>* side : {&kv.keys, &kv.values}) {
      for (float& v : *side) v = bf16::to_f32(bf16::from_f32(v));
    }
  };
}

struct norm
{
  double error = 0;
  double whole = 0;

  void add(std::span<const float> is, std::span<const float> should)
  {
    for (std::size_t i = 0; i < is.size(); ++i) {
      error += std::pow(double(is[i]) - double(should[i]), 2);
      whole += std::pow(double(should[i]), 2);
    }
  }
  [[nodiscard]] double percent() const { return 100 * std::sqrt(error / whole); }
};

struct lossy_error
{
  std::vector<norm> keys, values, attention;  ///< [layer]
  double top_10 = 0;                          ///< percent of the ten best next items that stay among them
  double first = 0;                           ///< percent of queries whose best item stays
  std::size_t lists = 0;                      ///< of ten
};

/// The ten items whose rows fit a state best; `columns`: their table, [hidden][items].
[[nodiscard]] inline std::vector<std::uint32_t> best_items(const std::vector<float>& columns,
                                                           std::span<const float> state)
{
  std::vector<float> normal(state.size());
  plain_hstu::normalise(state, normal);
  std::vector<float> score(columns.size() / normal.size());
  for (std::size_t d = 0; d < normal.size(); ++d) {
    const float* const column = columns.data() + d * score.size();
    for (std::size_t r = 0; r < score.size(); ++r) score[r] += normal[d] * column[r];
  }
  std::vector<std::uint32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0U);
  std::partial_sort(order.begin(), order.begin() + 10, order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a < b;
  });
  order.resize(10);
  return order;
}

/// Every token as the one that a request adds to what is cached, and every candidate. `reference`: what K and V of the
/// history are where no codec is, bf16 for instance.
[[nodiscard]] inline lossy_error error_of(const trained_model& m, const through_codec& codec,
                                          const through_codec& reference)
{
  const plain_hstu model(m.config, m.weights);
  std::vector<float> columns(m.weights.items.size());
  for (std::size_t r = 0; r < m.config.items; ++r) {
    for (std::size_t d = 0; d < m.config.hidden; ++d) {
      columns[d * m.config.items + r] = m.weights.items[r * m.config.hidden + d];
    }
  }
  lossy_error out;
  for (auto* norms : {&out.keys, &out.values, &out.attention}) norms->resize(m.config.layers);
  double kept = 0, kept_first = 0;
  for (const trained_user& u : m.users) {
    std::vector<layer_kv> is = u.kv, should = u.kv;
    for (std::size_t l = 0; l < is.size(); ++l) {
      reference(should[l]);
      codec(is[l]);
      out.keys[l].add(is[l].keys, should[l].keys);
      out.values[l].add(is[l].values, should[l].values);
    }
    const auto ask = [&](const std::vector<float>& input, std::size_t position, std::int64_t time, bool next) {
      const token_answer a = model.answer(input, position, time, u.times, is);
      const token_answer b = model.answer(input, position, time, u.times, should);
      for (std::size_t l = 0; l < is.size(); ++l) out.attention[l].add(a.attention[l], b.attention[l]);
      if (!next) return;
      const auto mine = best_items(columns, a.state);
      const auto theirs = best_items(columns, b.state);
      for (const std::uint32_t item : mine) {
        kept += static_cast<double>(std::count(theirs.begin(), theirs.end(), item));
      }
      kept_first += mine[0] == theirs[0] ? 1 : 0;
      ++out.lists;
    };
    // A page that tokens fill in part is kept raw; so it is what whole pages cost that is asked.
    const std::vector<layer_kv> coded = is;
    is = should;
    const std::size_t page = page_tokens * m.config.heads * m.config.head_dim;
    for (std::size_t t = page_tokens; t <= u.inputs.size(); ++t) {
      if (t % page_tokens == 0) {
        const std::size_t from = (t / page_tokens - 1) * page;
        for (std::size_t l = 0; l < is.size(); ++l) {
          std::copy_n(coded[l].keys.begin() + static_cast<std::ptrdiff_t>(from), page,
                      is[l].keys.begin() + static_cast<std::ptrdiff_t>(from));
          std::copy_n(coded[l].values.begin() + static_cast<std::ptrdiff_t>(from), page,
                      is[l].values.begin() + static_cast<std::ptrdiff_t>(from));
        }
      }
      if (t < u.inputs.size()) ask(u.inputs[t], t, u.times[t], t % 2 == 1);
    }
    for (const auto& candidate : u.candidates) ask(candidate, u.inputs.size(), u.time, false);
  }
  out.top_10 = 10 * kept / static_cast<double>(out.lists);
  out.first = 100 * kept_first / static_cast<double>(out.lists);
  return out;
}

inline void print_errors(std::size_t more_users, std::vector<bench::target>& targets)
{
  using namespace kvstrata::codec;
  using kvstrata::element_type;
  const auto m = read_trained_model(more_users);
  if (m == nullptr) {
    std::printf("What lossy codecs cost is measured on ../shared/data/trained_hstu, which is not on this machine.\n\n");
    return;
  }
  std::printf("Trained model a, %zu users; its K and V differ from the golden ones by at most %.2g.\n", m->users.size(),
              m->largest_difference);
  std::printf(
      "Relative error in percent, layer by layer, of K, V and the attention's output, against the same history "
      "without a codec;\nshare of the 10 best next items that stay, and of the best\n");
  const auto line = [&](const std::string& name, const through_codec& codec, const through_codec& reference) {
    const lossy_error e = error_of(*m, codec, reference);
    std::printf("  %-32s", name.c_str());
    for (const auto* norms : {&e.keys, &e.values, &e.attention}) {
      std::printf("  %6.3f  %6.3f ", (*norms)[0].percent(), (*norms)[1].percent());
    }
    std::printf(" %8.2f  %8.2f\n", e.top_10, e.first);
    return e;
  };
  const hstu::config& c = m->config;
  const through_codec exact = [](layer_kv&) {};
  const auto head = [](const char* element) {
    std::printf("  %-32s  %16s %16s %16s %9s %9s\n", element, "K", "V", "attention", "top 10", "first");
  };
  head("history in bf16");
  line("bf16 itself, against f32", through_bf16(), exact);
  line("int8", through<int8>(c, element_type::bf16), through_bf16());
  const lossy_error in_bf16 =
      line("int8 from the minimum", through<int8>(c, element_type::bf16, {silu_minimum}), through_bf16());
  line("fp8", through<fp8>(c, element_type::bf16), through_bf16());
  line("fp8, not scaled", through<fp8>(c, element_type::bf16, {false}), through_bf16());
  line("int4", through<int4>(c, element_type::bf16), through_bf16());
  line("int4 from the minimum", through<int4>(c, element_type::bf16, {silu_minimum}), through_bf16());
  head("history in f32");
  line("int8", through<int8>(c, element_type::f32), exact);
  line("int8 from the minimum", through<int8>(c, element_type::f32, {silu_minimum}), exact);
  line("fp8", through<fp8>(c, element_type::f32), exact);
  line("int4 from the minimum", through<int4>(c, element_type::f32, {silu_minimum}), exact);
  std::printf("  (%zu lists of ten)\n\n", in_bf16.lists);
  double worst = 0;
  for (const norm& n : in_bf16.attention) worst = (std::max)(worst, n.percent());
  targets.push_back({"codec.int8_from_minimum_attention_percent", worst, bench::better::less, 0.12});
  targets.push_back({"codec.int8_from_minimum_top_10_percent", in_bf16.top_10, bench::better::more, 99.9});
}

}  // namespace codec_bench
