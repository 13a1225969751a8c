// int8 and fp8 by the threads of a block (block_coder.hpp): what encoder (head_encoder.hpp) and decoder (head_decoder.hpp) have
// in common. A thread has words of 16 raw bytes of a unit, or single values where rows of a head do not come in such words.
#pragma once

#include <kvstrata/codec/head_coder.hpp>
#include <kvstrata/codec/head_units.hpp>
#include <kvstrata/codec/kernels/block_coder.hpp>
#include <kvstrata/codec/steps.hpp>
#include <kvstrata/codec/values.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Arithmetic that makes a byte of each value: int8_arithmetic, fp8_arithmetic.
template <class A>
concept byte_arithmetic = requires { A::any_byte; };

/// Multiplies, and rounds before anything is added. A GPU's: device/cuda/codes/head_kernels.cuh.
template <class Machine>
struct block_product : codec::plain_product
{
};

/// Elements of one type, in words or one by one.
template <class Machine, element_type E, bool In_words>
struct head_words
{
  using bits = typename codec::element_bits<E>::bits;
  static constexpr std::uint32_t count = In_words ? 16 / sizeof(bits) : 1;
  static constexpr std::uint32_t bytes = count * sizeof(bits);
  using values = std::array<bits, count>;
  using codes = std::array<std::uint8_t, count>;

  const codec::head_units& units;
  std::uint32_t unit;

  [[nodiscard]] constexpr std::uint32_t a_row() const { return units.head_dim / count; }
  [[nodiscard]] constexpr std::uint32_t words() const { return units.tokens * a_row(); }
  /// Where a word's values begin in the piece, in bytes.
  [[nodiscard]] constexpr std::size_t raw_at(std::uint32_t word) const
  {
    const std::uint32_t token = word / a_row();
    return (units.begin(unit) + token * units.token_stride() + std::size_t{word % a_row()} * count) * sizeof(bits);
  }
  /// Where its codes begin in the unit's code: rows follow one another.
  [[nodiscard]] constexpr std::size_t code_at(std::uint32_t word) const
  {
    return codec::unit_head_bytes + std::size_t{word} * count;
  }

  [[nodiscard]] constexpr values load(const std::byte* raw, std::uint32_t word) const
  {
    return std::bit_cast<values>(Machine::template load<bytes>(raw + raw_at(word)));
  }
  constexpr void store(std::byte* raw, std::uint32_t word, const values& v) const
  {
    Machine::template store<bytes>(raw + raw_at(word), std::bit_cast<typename Machine::template word<bytes>>(v));
  }
  [[nodiscard]] constexpr codes load_codes(const std::byte* code, std::uint32_t word) const
  {
    return std::bit_cast<codes>(Machine::template load<count>(code + code_at(word)));
  }
  constexpr void store_codes(std::byte* code, std::uint32_t word, const codes& c) const
  {
    Machine::template store<count>(code + code_at(word), std::bit_cast<typename Machine::template word<count>>(c));
  }

  /// A thread's part of a unit's raw bytes, from piece to piece.
  constexpr void copy(std::byte* to, const std::byte* from, std::uint32_t thread, std::uint32_t threads) const
  {
    for (std::uint32_t word = thread; word < words(); word += threads) store(to, word, load(from, word));
  }
  constexpr void poison(std::byte* raw, std::uint32_t thread, std::uint32_t threads) const
  {
    values all;
    unrolled<count>([&](auto i) { all[i] = static_cast<bits>(~bits{0}); });
    for (std::uint32_t word = thread; word < words(); word += threads) store(raw, word, all);
  }
};

/// Calls visit(words) with the Words (head_words, channel_words) of a unit.
template <class Machine, template <class, element_type, bool> class Words, class Task, class Visit>
constexpr void with_words_of(const Task& task, Visit&& visit)
{
  const codec::head_units& units = task.coder.layout();
  const auto as = [&]<element_type E>(std::integral_constant<element_type, E>) {
    constexpr std::uint32_t count = 16 / sizeof(typename codec::element_bits<E>::bits);
    if (units.head_dim % count == 0) visit(Words<Machine, E, true>{units, task.unit});
    else visit(Words<Machine, E, false>{units, task.unit});
  };
  switch (units.element) {
    case element_type::f32: as(std::integral_constant<element_type, element_type::f32>()); return;
    case element_type::f16: as(std::integral_constant<element_type, element_type::f16>()); return;
    default: as(std::integral_constant<element_type, element_type::bf16>()); return;
  }
}

/// What both bodies of a coder of heads start from.
template <class Arithmetic, class Machine>
struct head_block
{
  using coder_type = codec::head_coder<Arithmetic>;
  using task_type = unit_task<coder_type>;
  using product = block_product<Machine>;
  static constexpr std::uint32_t threads = 256;

  template <class Visit>
  static constexpr void with_words(const task_type& task, Visit&& visit)
  {
    with_words_of<Machine, head_words>(task, visit);
  }

  [[nodiscard]] static constexpr std::byte* code_of(const task_type& task)
  {
    return task.piece.code + task.coder.layout().code_begin(task.unit);
  }
  static constexpr void store_head(std::byte* code, const codec::unit_head& head)
  {
    Machine::template store<16>(code, std::bit_cast<typename Machine::template word<16>>(head));
  }
  [[nodiscard]] static constexpr codec::unit_head load_head(const std::byte* code)
  {
    return std::bit_cast<codec::unit_head>(Machine::template load<16>(code));
  }
  static constexpr void count(const task_type& task, std::uint32_t thread, code_counts more)
  {
    if (thread != 0 || task.counts == nullptr) return;
    if (more.raw != 0) Machine::add(task.counts->raw, more.raw);
    if (more.faults != 0) Machine::add(task.counts->faults, more.faults);
  }

  /// A thread's part of a unit without a code: its head says so, its values go elsewhere, if there is such a place.
  template <class Words>
  static constexpr void write_raw(const task_type& task, std::uint32_t thread, const Words& w)
  {
    if (thread == 0) store_head(code_of(task), codec::unit_head{});
    const bool kept = task.piece.elsewhere != nullptr;
    count(task, thread, {.raw = 1, .faults = kept ? 0U : 1U});
    if (kept) w.copy(task.piece.elsewhere, task.piece.raw, thread, threads);
  }
  /// A thread's part of the values of a unit that turned out to be of that kind, not coded: those that are elsewhere, or poison.
  static constexpr void write_uncoded(const task_type& task, std::uint32_t thread, unit_kind kind)
  {
    const bool raw = kind == unit_kind::raw;
    const bool kept = raw && task.piece.elsewhere != nullptr;
    count(task, thread, {.raw = raw ? 1U : 0U, .faults = kept ? 0U : 1U});
    with_words(task, [&](const auto& w) {
      if (kept) w.copy(task.piece.raw, task.piece.elsewhere, thread, threads);
      else w.poison(task.piece.raw, thread, threads);
    });
  }
  /// Likewise of the bytes between a unit's code and the next one's.
  static constexpr void clear_behind(const task_type& task, std::uint32_t thread)
  {
    const codec::head_units& units = task.coder.layout();
    const std::uint32_t behind = units.used_bytes + thread;
    if (behind >= units.code_bytes) return;
    Machine::template store<1>(code_of(task) + behind,
                               std::bit_cast<typename Machine::template word<1>>(std::uint8_t{0}));
  }
};

}  // namespace kvstrata
