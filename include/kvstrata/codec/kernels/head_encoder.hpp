// int8 and fp8 by the threads of a block: values to codes.
#pragma once

#include <kvstrata/codec/kernels/head_words.hpp>
#include <kvstrata/codec/survey.hpp>
#include <kvstrata/core/exact.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Phase 0 looks at the values, 1 brings together what 32 threads saw, 2 all of it, and encodes. A thread's first word stays
/// in a register: a unit of 2,048 values of two bytes is read once.
template <byte_arithmetic Arithmetic, class Machine>
struct block_encoder<codec::head_coder<Arithmetic>, Machine> : head_block<Arithmetic, Machine>
{
  using base = head_block<Arithmetic, Machine>;
  using base::threads;
  using typename base::coder_type;
  using typename base::task_type;

  static constexpr std::uint32_t groups = 32;

  struct shared
  {
    std::uint32_t magnitude[threads];
    std::int32_t largest[threads];
    std::uint32_t magnitude_of[groups];
    std::int32_t largest_of[groups];
  };
  struct mine
  {
    quad first;
  };

  static constexpr std::uint32_t phases = 3;

  static constexpr void set_up(const coder_type&, std::uint32_t, shared&) {}

  template <std::uint32_t Phase>
  static constexpr void phase(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    if constexpr (Phase == 0) look(task, thread, my, all);
    else if constexpr (Phase == 1) gather(thread, all);
    else write(task, thread, my, all);
  }

 private:
  /// The values of the turn-th word of a thread: the first stays in registers.
  template <class Words>
  static constexpr typename Words::values load(const Words& w, const std::byte* raw, std::uint32_t word,
                                               std::uint32_t turn, mine& my)
  {
    const auto values = w.load(raw, word);
    if constexpr (Words::bytes == sizeof(quad)) {
      if (turn == 0) my.first = std::bit_cast<quad>(values);
    }
    return values;
  }
  template <class Words>
  static constexpr typename Words::values again(const Words& w, const std::byte* raw, std::uint32_t word,
                                                std::uint32_t turn, const mine& my)
  {
    if constexpr (Words::bytes == sizeof(quad)) {
      if (turn == 0) return std::bit_cast<typename Words::values>(my.first);
    }
    return w.load(raw, word);
  }

  static constexpr void look(const task_type& task, std::uint32_t thread, mine& my, shared& all)
  {
    if (!task.piece.whole) return;
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      using words = head_words<Machine, E, In_words>;
      codec::survey<E> seen;
      std::uint32_t turn = 0;
      for (std::uint32_t word = thread; word < w.words(); word += threads, ++turn) {
        const auto values = load(w, task.piece.raw, word, turn, my);
        unrolled<words::count>([&](auto i) { seen.add(values[i]); });
      }
      all.magnitude[thread] = seen.magnitude;
      all.largest[thread] = seen.largest;
    });
  }

  static constexpr void gather(std::uint32_t thread, shared& all)
  {
    if (thread >= groups) return;
    std::uint32_t magnitude = all.magnitude[thread];
    std::int32_t largest = all.largest[thread];
    for (std::uint32_t i = thread + groups; i < threads; i += groups) {
      magnitude = all.magnitude[i] > magnitude ? all.magnitude[i] : magnitude;
      largest = all.largest[i] > largest ? all.largest[i] : largest;
    }
    all.magnitude_of[thread] = magnitude;
    all.largest_of[thread] = largest;
  }

  static constexpr void write(const task_type& task, std::uint32_t thread, const mine& my, const shared& all)
  {
    base::with_words(task, [&]<element_type E, bool In_words>(const head_words<Machine, E, In_words>& w) {
      using words = head_words<Machine, E, In_words>;
      const Arithmetic& arithmetic = task.coder.arithmetic();
      const float scale = task.piece.whole ? arithmetic.scale_for(of_all<E>(all)) : 0;
      if (is_exactly(scale, 0)) return base::write_raw(task, thread, w);
      std::byte* const code = base::code_of(task);
      const float factor = 1 / scale;
      std::uint32_t turn = 0;
      for (std::uint32_t word = thread; word < w.words(); word += threads, ++turn) {
        const auto values = again(w, task.piece.raw, word, turn, my);
        typename words::codes codes = {};
        unrolled<words::count>(
            [&](auto i) { codes[i] = arithmetic.template to_byte<E, typename base::product>(values[i], factor); });
        w.store_codes(code, word, codes);
      }
      if (thread == 0) base::store_head(code, {arithmetic.letters(), scale, arithmetic.zero(), 0});
      base::clear_behind(task, thread);
    });
  }

  template <element_type E>
  [[nodiscard]] static constexpr codec::survey<E> of_all(const shared& all)
  {
    std::uint32_t magnitude = all.magnitude_of[0];
    std::int32_t largest = all.largest_of[0];
    for (std::uint32_t i = 1; i < groups; ++i) {
      magnitude = all.magnitude_of[i] > magnitude ? all.magnitude_of[i] : magnitude;
      largest = all.largest_of[i] > largest ? all.largest_of[i] : largest;
    }
    return {static_cast<typename codec::survey<E>::bits>(magnitude),
            static_cast<typename codec::survey<E>::signed_bits>(largest)};
  }
};

}  // namespace kvstrata
