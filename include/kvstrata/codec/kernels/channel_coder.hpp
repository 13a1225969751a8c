// int4 by the threads of a block: values to codes, and back.
#pragma once

#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/kernels/channel_words.hpp>
#include <kvstrata/codec/kernels/flagged_block.hpp>

#include <cstddef>
#include <cstdint>
#include <variant>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Looks for values that have no code, then finds a column's scales and encodes it. A thread has columns to itself, in all
/// tokens; heads are 64 to 128 wide, so that a warp or two of a block have all there is to do: a unit is short.
template <class Machine>
struct block_encoder<codec::head_coder<codec::int4_arithmetic>, Machine>
    : head_block<codec::int4_arithmetic, Machine>,
      flagged_block<block_encoder<codec::head_coder<codec::int4_arithmetic>, Machine>, Machine>
{
  using base = head_block<codec::int4_arithmetic, Machine>;
  using base::threads;
  using typename base::task_type;

  [[nodiscard]] static constexpr bool look(const task_type& task, std::uint32_t thread, std::monostate)
  {
    bool has_none = false;
    if (!task.piece.whole) return false;
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      codec::survey<E> seen;
      for (std::uint32_t word = thread; word < w.words(); word += threads) {
        const auto values = w.load(task.piece.raw, word);
        unrolled<head_words<Machine, E, In_words>::count>([&](auto i) { seen.add(values[i]); });
      }
      has_none = !seen.is_finite() || seen.largest_magnitude() > codec::farthest_step;
    });
    return has_none;
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, std::monostate, bool has_none)
  {
    if (!task.piece.whole || has_none) {
      return base::with_words(task, [&](const auto& w) { base::write_raw(task, thread, w); });
    }
    std::byte* const code = base::code_of(task);
    if (thread == 0) base::store_head(code, task.coder.arithmetic().head());
    with_channels<Machine>(task, [&]<element_type E, bool In_words>(const channel_words<Machine, E, In_words>& w) {
      for (std::uint32_t column = thread; column < w.columns(); column += threads) {
        if (task.coder.arithmetic().from_minimum) encode_column<true>(w, task, code, column);
        else encode_column<false>(w, task, code, column);
      }
    });
    base::clear_behind(task, thread);
  }

 private:
  template <bool From_zero, element_type E, bool In_words>
  static constexpr void encode_column(const channel_words<Machine, E, In_words>& w, const task_type& task,
                                      std::byte* code, std::uint32_t column)
  {
    using words = channel_words<Machine, E, In_words>;
    const codec::int4_arithmetic& arithmetic = task.coder.arithmetic();
    typename words::floats of = {};  // how far channels reach, then steps a unit
    for (std::uint32_t token = 0; token < w.units.tokens; ++token) {
      const auto values = w.load(task.piece.raw, token, column);
      unrolled<words::channels>([&](auto i) {
        const float above = codec::element_bits<E>::to_f32(values[i]) - arithmetic.minimum;
        const float r = !From_zero && above < 0 ? -above : above;
        of[i] = r > of[i] ? r : of[i];
      });
    }
    unrolled<words::channels>([&](auto i) {
      const std::uint16_t scale = arithmetic.scale_for(of[i]);
      if (w.has(column * words::channels + i)) words::store_scale(code, column * words::channels + i, scale);
      of[i] = 1 / codec::element_bits<element_type::bf16>::to_f32(scale);
    });
    for (std::uint32_t token = 0; token < w.units.tokens; ++token) {
      const auto values = w.load(task.piece.raw, token, column);
      typename words::codes codes = {};
      unrolled<words::channels>([&](auto i) {
        std::uint32_t step = codec::step_of<From_zero, typename base::product>(
            codec::element_bits<E>::to_f32(values[i]), arithmetic.minimum, of[i]);
        if (!w.has(column * words::channels + i)) step = 0;
        codes[i / 2] = static_cast<std::uint8_t>(codes[i / 2] | (step & 15U) << i % 2 * 4);
      });
      w.store_codes(code, token, column, codes);
    }
  }
};

/// Looks at the scales.
template <class Machine>
struct block_decoder<codec::head_coder<codec::int4_arithmetic>, Machine>
    : head_block<codec::int4_arithmetic, Machine>,
      flagged_block<block_decoder<codec::head_coder<codec::int4_arithmetic>, Machine>, Machine>
{
  using base = head_block<codec::int4_arithmetic, Machine>;
  using base::threads;
  using typename base::task_type;

  [[nodiscard]] static constexpr bool look(const task_type& task, std::uint32_t thread, std::monostate)
  {
    using some_words = channel_words<Machine, element_type::bf16, true>;  // scales lie alike for all
    const std::byte* const code = base::code_of(task);
    if (base::load_head(code).kind(task.coder.arithmetic().letters()) != unit_kind::coded) return false;
    bool sound = true;
    for (std::uint32_t d = thread; d < task.coder.layout().head_dim; d += threads) {
      sound = sound && some_words::load_scale(code, d) < 0x7f80U;
    }
    return !sound;
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, std::monostate, bool is_malformed)
  {
    const codec::int4_arithmetic& arithmetic = task.coder.arithmetic();
    const std::byte* const code = base::code_of(task);
    const codec::unit_head head = base::load_head(code);
    const unit_kind kind = is_malformed ? unit_kind::malformed : head.kind(arithmetic.letters());
    if (kind != unit_kind::coded) return base::write_uncoded(task, thread, kind);
    with_channels<Machine>(task, [&]<element_type E, bool In_words>(const channel_words<Machine, E, In_words>& w) {
      using words = channel_words<Machine, E, In_words>;
      const std::uint32_t count = w.units.tokens * w.columns();
      for (std::uint32_t word = thread; word < count; word += threads) {
        const std::uint32_t token = word / w.columns();
        const std::uint32_t column = word % w.columns();
        const auto codes = w.load_codes(code, token, column);
        typename words::values values = {};
        unrolled<words::channels>([&](auto i) {
          const std::uint32_t channel = column * words::channels + i;
          if (!w.has(channel)) return;
          const float scale = codec::element_bits<element_type::bf16>::to_f32(words::load_scale(code, channel));
          const auto step = static_cast<std::int32_t>(codes[i / 2] >> i % 2 * 4 & 15);
          const std::int32_t q = arithmetic.from_minimum ? step : (step ^ 8) - 8;
          values[i] = codec::element_bits<E>::from_f32(
              codec::within<E>(codec::at_step<typename base::product>(q, head.zero, scale)));
        });
        w.store(task.piece.raw, token, column, values);
      }
    });
  }
};

}  // namespace kvstrata
