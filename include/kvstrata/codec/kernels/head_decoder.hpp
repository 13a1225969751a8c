// int8 and fp8 by the threads of a block: codes to values.
#pragma once

#include <kvstrata/codec/kernels/flagged_block.hpp>
#include <kvstrata/codec/kernels/head_words.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Looks for bytes that are no code, where there are such; a thread's first word stays in registers then, so that a unit of 2,048
/// values of two bytes is read once.
template <byte_arithmetic Arithmetic, class Machine>
struct block_decoder<codec::head_coder<Arithmetic>, Machine>
    : head_block<Arithmetic, Machine>,
      flagged_block<block_decoder<codec::head_coder<Arithmetic>, Machine>, Machine, std::uint64_t>
{
  using base = head_block<Arithmetic, Machine>;
  using base::threads;
  using typename base::task_type;

  [[nodiscard]] static constexpr bool look(const task_type& task, std::uint32_t thread, std::uint64_t& first)
    requires(!Arithmetic::any_byte)
  {
    const std::byte* const code = base::code_of(task);
    if (base::load_head(code).kind(task.coder.arithmetic().letters()) != unit_kind::coded) return false;
    bool all_codes = true;
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      using words = head_words<Machine, E, In_words>;
      for (std::uint32_t word = thread; word < w.words(); word += threads) {
        const auto codes = w.load_codes(code, word);
        if constexpr (stays_in_register<words>) {
          if (word == thread) first = std::bit_cast<std::uint64_t>(codes);
        }
        unrolled<words::count>([&](auto i) { all_codes = all_codes && Arithmetic::is_code(codes[i]); });
      }
    });
    return !all_codes;
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, std::uint64_t first, bool is_malformed)
  {
    const Arithmetic& arithmetic = task.coder.arithmetic();
    const std::byte* const code = base::code_of(task);
    const codec::unit_head head = base::load_head(code);
    const unit_kind kind = is_malformed ? unit_kind::malformed : head.kind(arithmetic.letters());
    if (kind != unit_kind::coded) return base::write_uncoded(task, thread, kind);
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      using words = head_words<Machine, E, In_words>;
      for (std::uint32_t word = thread; word < w.words(); word += threads) {
        const auto codes = codes_of(w, code, word, thread, first);
        typename words::values values = {};
        unrolled<words::count>(
            [&](auto i) { values[i] = arithmetic.template from_byte<E, typename base::product>(codes[i], head); });
        w.store(task.piece.raw, word, values);
      }
    });
  }

 private:
  template <class Words>
  static constexpr bool stays_in_register = !Arithmetic::any_byte && sizeof(typename Words::codes) == 8;

  template <class Words>
  [[nodiscard]] static constexpr typename Words::codes codes_of(const Words& w, const std::byte* code,
                                                                std::uint32_t word, std::uint32_t thread,
                                                                std::uint64_t first)
  {
    if constexpr (stays_in_register<Words>) {
      if (word == thread) return std::bit_cast<typename Words::codes>(first);
    }
    return w.load_codes(code, word);
  }
};

}  // namespace kvstrata
