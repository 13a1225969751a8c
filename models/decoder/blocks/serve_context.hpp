// A context of blocks out of a cache: its parts, and all that is computed under its lease, layer by layer as layers arrive.
#pragma once

#include "decoder/blocks/block_forward.hpp"
#include "decoder/blocks/context_forward.hpp"
#include "decoder/blocks/stand_ins.hpp"

#include <kvstrata/assembly/assembler.hpp>
#include <kvstrata/assembly/copy_blocks.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/part.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace decoder {

/// The parts of a request for a context: each of its blocks, read, and behind them scratch for what is computed. `computed`: the most
/// tokens that will be, own ones included.
template <kvstrata::position_policy P>
void context_parts(const kvstrata::block_list& list, const kvstrata::assembler<P>& assembler,
                   kvstrata::token_count computed, kvstrata::token_count page_tokens, std::vector<kvstrata::part>& out)
{
  out.assign(list.parts().begin(), list.parts().end());
  out.push_back(
      {.tokens = assembler.scratch_tokens(list, computed, page_tokens), .mode = kvstrata::part_mode::scratch});
}

/// Serves contexts one after the other. What a lease lacks of blocks is encoded on the way, for whoever comes later. One thread at a
/// time; the model and the positions must outlive it.
template <kvstrata::position_policy P>
class context_server
{
 public:
  context_server(const model& m, const block_positions& positions, P policy = {})
      : model_(&m),
        layers_(m.options().layers),
        by_(positions.by()),
        assembler_(policy),
        encoder_(m, positions),
        pass_(m, positions)
  {
  }

  [[nodiscard]] const kvstrata::assembler<P>& assembly() const noexcept { return assembler_; }

  /// From now on what is lacking of blocks of this kind is not encoded, but filled with rows of prototypes that resemble its tokens.
  /// Whoever asks for such a block says so: reused_block::stands_in, context_to_compute::always for the tokens that have no prototype
  /// (stand_ins::lacking), and the pool's version as the block's. Nobody who has not called this gets any. The pool must be of this
  /// model and outlive the server, and learn nothing while it does; another one of the same version may take its place. Throws
  /// kvstrata::usage_error for kind 0, and for a pool of other dimensions or shape.
  void allow_stand_ins(const kvstrata::prototype_pool& pool, std::uint32_t kind)
    requires(P::turns_reads)
  {
    if (kind == 0) throw kvstrata::usage_error("stand-ins need a kind of block that is not 0, users' histories");
    stand_ins_.emplace(*model_, pool);
    stand_in_kind_ = kind;
  }

  /// Computes the context of request `request` of a lease, whose parts are context_parts(), on the calling thread; words_of(part) are
  /// the words of a block by its part's number. Behind it logits() may be asked for, until the lease is released; a commit keeps
  /// the blocks that were encoded, and nothing else: what was computed on top of them was in scratch. Throws as assembler and
  /// context_forward do.
  template <class Lease, kvstrata::token_selector S, class WordsOf>
  void compute(Lease& lease, std::size_t request, const kvstrata::block_list& list, const context_to_compute& context,
               const S& selector, WordsOf&& words_of)
  {
    const std::size_t scratch = list.parts().size();
    lacking_.clear();
    filled_.clear();
    for (std::uint32_t part = 0; part < scratch; ++part) {
      if (lease.compute(request, part).empty()) continue;
      const bool fills = stand_ins_ && list.parts()[part].key.space == stand_in_kind_;
      if (fills && list.parts()[part].version != stand_ins_->version()) {
        throw kvstrata::usage_error("a block of stand-ins has version " + std::to_string(list.parts()[part].version) +
                                    ", but the pool has " + std::to_string(stand_ins_->version()));
      }
      (fills ? filled_ : lacking_).push_back({words_of(part), lease.view(part), request});
    }
    if (!filled_.empty()) stand_ins_->start(filled_);
    assembler_.assemble(
        list, [&](std::uint32_t part) { return lease.view(part); }, request, lease.view(scratch), request);
    encoder_.start(lacking_);
    pass_.start(context, selector, [this](std::span<const kvstrata::token_interval> anew) {
      assembler_.compute(anew);
      return assembler_.view();
    });
    encoder_.embed();
    for (std::uint32_t l = 0; l < layers_; ++l) {
      lease.wait_sync(l);
      encoder_.layer(l);
      if (!filled_.empty()) stand_ins_->fill(l);
      static_cast<void>(kvstrata::copy_blocks(assembler_.copies(), l, by_, angles_));
      pass_.layer(l);
      lease.layer_done(l);
    }
  }

  /// What finds them, once they are allowed: a text that has been asked for there is not looked up again here.
  [[nodiscard]] stand_ins& finder() { return stand_ins_.value(); }

  /// Tokens of blocks that the last context encoded.
  [[nodiscard]] std::uint64_t encoded() const noexcept
  {
    std::uint64_t all = 0;
    for (const block_to_encode& b : lacking_) all += b.words.size();
    return all;
  }
  [[nodiscard]] context_forward& pass() noexcept { return pass_; }

 private:
  const model* model_;
  std::uint32_t layers_;
  kvstrata::rotary by_;
  kvstrata::turn_angles angles_;
  kvstrata::assembler<P> assembler_;
  block_forward encoder_;
  context_forward pass_;
  std::vector<block_to_encode> lacking_, filled_;
  std::optional<stand_ins> stand_ins_;
  std::uint32_t stand_in_kind_ = 0;
};

}  // namespace decoder
