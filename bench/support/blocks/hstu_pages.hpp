// Texts and contexts of an HSTU in plain pages: what the worlds of HSTU's prompts share.
#pragma once

#include "support/blocks/answer.hpp"

#include "hstu/blocks/context_forward.hpp"

#include <kvstrata/assembly/paged_context.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

namespace blocks_bench {

class hstu_pages
{
 public:
  static constexpr kv::token_count page_tokens = 16;

  hstu_pages(const hstu::model& m, kv::page_count pages)
      : m_(m), pass_(m), pages_(pages), slab_(pages * kv::page_bytes(m.shape(), page_tokens))
  {
  }

  void clear()
  {
    tables_.clear();
    taken_ = 0;
  }
  /// Pages for so many tokens; their number.
  std::size_t add(kv::token_count tokens)
  {
    kv::page_table& table = tables_.emplace_back();
    const kv::page_count count = (tokens + page_tokens - 1) / page_tokens;
    table.start(1);
    table.append(taken_, count);
    table.finish_request(0, tokens, page_tokens);
    taken_ += count;
    return tables_.size() - 1;
  }
  /// A text that is encoded by itself; its number.
  std::size_t encode(std::span<const float> inputs, std::span<const std::int64_t> times = {})
  {
    const auto tokens = static_cast<kv::token_count>(inputs.size() / m_.options().hidden);
    const std::size_t number = add(tokens);
    const kv::token_interval all[] = {{0, tokens}};
    hstu::request r;
    r.history = tokens;
    r.compute = all;
    r.inputs = inputs;
    r.times = times;
    hstu::batch_forward pass(m_, {&r, 1}, view(number));
    pass.embed();
    for (std::uint32_t l = 0; l < m_.options().layers; ++l) pass.layer(l);
    return number;
  }
  [[nodiscard]] kv::page_table_view view(std::size_t number)
  {
    return tables_[number].view(slab_.data(), kv::layer_first(m_.shape(), page_tokens, pages_), m_.shape(),
                                page_tokens);
  }

  /// A context whose block of id i is text number_of(i); look(pass) once it is computed. Into `to` go K and V of all positions.
  template <kv::token_selector S, class NumberOf, class Look>
  void serve(const kv::block_list& list, NumberOf&& number_of, std::size_t scratch,
             const hstu::context_to_compute& what, const S& selector, answer& to, Look&& look)
  {
    kv::paged_context context;
    context.assemble(
        list, [&](std::uint32_t part) { return view(number_of(list.parts()[part].key)); }, 0, view(scratch));
    pass_.run(what, selector, context, [](kv::layer_index) {});
    look(std::as_const(pass_));
    const std::size_t width = hstu::width_of(m_.options());
    for (std::uint32_t l = 0; l < m_.options().layers; ++l) {
      decoder::layer_rows rows;
      for (kv::token_count t = 0; t < list.context(); ++t) {
        const auto* const key = reinterpret_cast<const float*>(context.view().key(l, 0, t));
        const auto* const value = key + context.view().value_offset() / sizeof(float);
        rows.keys.insert(rows.keys.end(), key, key + width);
        rows.values.insert(rows.values.end(), value, value + width);
      }
      to.layers.push_back(std::move(rows));
    }
  }

 private:
  const hstu::model& m_;
  hstu::context_forward pass_;
  kv::page_count pages_;
  std::vector<std::byte> slab_;
  std::deque<kv::page_table> tables_;
  kv::page_count taken_ = 0;
};

}  // namespace blocks_bench
